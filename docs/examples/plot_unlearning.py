"""Unlearning: a person's rows are taken out of a stored table of sketches, in milliseconds.

The table holds a sketch for each day and city, and no row. When a person asks to be forgotten, that
person's rows are sketched by the same keys and subtracted: the file is then, byte for byte, what it
would be had the rows never come, since its operator was drawn from a declared box, not from rows.
Run from the root of a checkout; prints what it took and draws a figure::

    python -m docs.examples.plot_unlearning [--figure FILE]
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sketchlearn import CompressiveKMeans, Sketcher, SketchTable

Rows = NDArray[np.float64]

N_CLUSTERS = 5
BY = ["day", "city"]
COLUMNS = ["x", "y"]
BOX = ([-25.0, -25.0], [25.0, 25.0])
BEFORE, AFTER = "#c2410c", "#0f766e"


class Outcome(NamedTuple):
    """Rows with and without the person, and centroids before and after; figures by name."""

    others: Rows
    own: Rows
    before: Rows
    after: Rows
    figures: dict[str, str]


def draw_visits(n_rows: int, n_own: int, seed: int = 0) -> tuple[pa.Table, pa.Table]:
    """Draw everybody's visits, and those of one person, who goes where nobody else does."""
    rng = np.random.default_rng(seed)
    centers = np.array([[-5.0, 0.0], [0.0, 5.0], [1.0, -4.0], [6.0, 2.0], [11.0, -7.0]])
    labels = np.concatenate([rng.integers(N_CLUSTERS - 1, size=n_rows), np.full(n_own, 4)])
    rows = centers[labels] + rng.standard_normal((len(labels), 2))
    keys = {
        "day": rng.integers(1, 31, size=len(rows)),
        "city": rng.choice(["Oslo", "Rome", "Nice", "Ulm"], size=len(rows)),
    }
    visits = pa.table({**dict(zip(COLUMNS, rows.T, strict=True)), **keys})
    return visits.slice(0, n_rows), visits.slice(n_rows)


def run(n_rows: int, n_own: int, folder: Path) -> Outcome:
    """Store a table of all rows, take one person's out of the file, and compare."""
    others, own = draw_visits(n_rows, n_own)
    everyone = pa.concat_tables([others, own])
    sketcher = Sketcher.from_domain(
        *BOX, n_frequencies=300, n_clusters=N_CLUSTERS, feature_names=COLUMNS, random_state=0
    )
    sketcher.sketch_groups(own.slice(0, 1), BY)  # Compiles what is not compiled yet.
    stored, never = folder / "cube.parquet", folder / "never.parquet"
    start = time.perf_counter()
    sketcher.sketch_groups(everyone, BY).to_parquet(stored)
    seconds_all = time.perf_counter() - start
    sketcher.sketch_groups(others, BY).to_parquet(never)
    model = CompressiveKMeans(N_CLUSTERS, random_state=0)
    before = model.fit_sketch(SketchTable.from_parquet(stored).total()).cluster_centers_

    start = time.perf_counter()
    taken = sketcher.sketch_groups(own, BY)
    cube = SketchTable.from_parquet(stored)
    start_subtract = time.perf_counter()
    rest = cube - taken
    seconds_subtract = time.perf_counter() - start_subtract
    rest.to_parquet(stored)
    seconds = time.perf_counter() - start

    ours, theirs = stored.read_bytes(), never.read_bytes()
    n_different = sum(a != b for a, b in zip(ours, theirs, strict=False))
    n_different += abs(len(ours) - len(theirs))
    after = CompressiveKMeans(N_CLUSTERS - 1, random_state=0).fit_sketch(rest.total())
    figures = {
        "groups in the table": f"{len(cube)}",
        "rows of the person": f"{n_own:,} of {everyone.num_rows:,}",
        "bytes that differ from never having had them": f"{n_different} of {len(ours):,}",
        "subtracting in memory": f"{1e3 * seconds_subtract:.1f} ms",
        "with sketching the rows, reading and writing the file": f"{1e3 * seconds:.0f} ms",
        "sketching everything and writing the file": f"{1e3 * seconds_all:.0f} ms",
    }
    clouds = [np.column_stack([t[c].to_numpy() for c in COLUMNS]) for t in (others, own)]
    return Outcome(clouds[0], clouds[1], before, after.cluster_centers_, figures)


def draw(outcome: Outcome) -> Figure:
    """Draw centroids before and after over some of the rows."""
    figure = Figure(figsize=(9.0, 4.2), facecolor="white")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    panels = (
        (left, BEFORE, outcome.before, "before", [outcome.others, outcome.own]),
        (right, AFTER, outcome.after, "after: the person's place is gone", [outcome.others]),
    )
    for ax, color, centroids, title, clouds in panels:
        for cloud, shade in zip(clouds, ("#94a3b8", "#0f172a"), strict=False):
            ax.scatter(*cloud[:2000].T, s=2, color=shade, alpha=0.4, linewidths=0)
        ax.scatter(*centroids.T, s=90, marker="X", color=color, edgecolors="white")
        ax.set_title(title, color=color, fontsize=11)
        ax.set(xticks=[], yticks=[], aspect="equal")
        ax.spines[:].set_color("#cbd5e1")
    figure.tight_layout()
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    """Store, forget, compare, and draw."""
    parser = argparse.ArgumentParser(description="Take a person's rows out of stored sketches.")
    parser.add_argument("--figure", type=Path, default=Path("build/unlearning.png"))
    parser.add_argument("--n-samples", type=int, default=500_000)
    parser.add_argument("--own", type=int, default=2_000, help="rows of the person")
    options = parser.parse_args(argv)
    with TemporaryDirectory() as folder:
        outcome = run(options.n_samples, options.own, Path(folder))
    for name, figure in outcome.figures.items():
        print(f"{name:<55}{figure:>22}")
    options.figure.parent.mkdir(parents=True, exist_ok=True)
    draw(outcome).savefig(options.figure, dpi=110)
    print(f"\nFigure: {options.figure}")


if __name__ == "__main__":
    main()
