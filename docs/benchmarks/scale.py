"""How much hangs on the scale: from an eighth to eight times the automatic one, on the suite.

Run from the root of a checkout; it can be interrupted and goes on where it was::

    python -m docs.benchmarks.scale [--sets all] [--seeds 3] [--jobs 1] [--report-only]

At m = 5 k d. Ratios are of the sum of squared distances to the nearest centroid, over that of
``KMeans(n_init=10)`` on all rows; seeds start at 1000.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from datasets.suite import N_SYNTHETIC, suite
from datasets.synthetic import FIRST_REPORTED_SEED
from docs.benchmarks import _log
from docs.benchmarks._methods import N_INIT, Rows, inertia
from sketchlearn import CompressiveKMeans, Sketcher

RATIO = 5
FACTORS = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)
LABELS = ("1/8", "1/4", "1/2", "1", "2", "4", "8")
WAYS = {"sketch alone": "#c2410c", "with pilot": "#0f766e"}
NEAR = 1.03
LOG = _log.ROOT / "build" / "scale.jsonl"


@dataclass(frozen=True)
class Group:
    """What is still to be run on one set with one seed."""

    name: str
    seed: int
    n_synthetic: int
    runs: tuple[tuple[str, float], ...]
    log: Path


def work(group: Group) -> None:
    """Run the missing factors, and log each run as soon as it is done."""
    k, rows = suite(group.n_synthetic)[group.name]
    X = rows(group.seed)
    m = RATIO * k * X.shape[1]
    automatic = Sketcher(m, n_clusters=k, random_state=group.seed).fit(X).scale_
    reference = float(KMeans(k, n_init=N_INIT, random_state=group.seed).fit(X).inertia_)
    for way, factor in group.runs:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            ratio = _ratio(X, k, m, factor * automatic, way, group.seed, reference)
        record = {
            "set": group.name,
            "seed": group.seed,
            "way": way,
            "factor": factor,
            "code": _log.library_digest(),
            "sse_ratio": ratio,
        }
        _log.append(group.log, record)
    _log.say(f"{group.name}, seed {group.seed}: automatic scale {automatic:.3g}")


def _ratio(X: Rows, k: int, m: int, scale: float, way: str, seed: int, reference: float) -> float:
    """SSE ratio of one run; infinite where it fails, which is a result as well."""
    try:
        return inertia(X, cluster(X, k, m, scale, way, seed)) / reference
    except ValueError as error:
        _log.say(f"scale {scale:.3g}, {way}: {error}")
        return float("inf")


def cluster(X: Rows, k: int, m: int, scale: float, way: str, seed: int) -> Rows:
    """Centroids from a sketch of the given scale, with or without the pilot's rows."""
    if way == "with pilot":
        whole = CompressiveKMeans(
            k, n_frequencies=m, scale=scale, compute_labels=False, random_state=seed
        )
        return np.asarray(whole.fit(X).cluster_centers_)
    sketcher = Sketcher(m, n_clusters=k, scale=scale, keep_pilot=False, random_state=seed).fit(X)
    model = CompressiveKMeans(k, random_state=seed).fit_sketch(sketcher.sketch(X))
    return np.asarray(model.cluster_centers_)


def key_of(record: _log.Record) -> tuple[str, int, str, float]:
    """What makes a run that run."""
    return record["set"], record["seed"], record["way"], record["factor"]


def groups(options: argparse.Namespace, records: Sequence[_log.Record]) -> list[Group]:
    """What is still to be run, seed by seed."""
    done = {key_of(record) for record in records}
    result = []
    for seed in range(FIRST_REPORTED_SEED, FIRST_REPORTED_SEED + options.seeds):
        for name in options.sets:
            runs = tuple(
                (way, factor)
                for factor in FACTORS
                for way in WAYS
                if (name, seed, way, factor) not in done
            )
            if runs:
                result.append(Group(name, seed, options.n_synthetic, runs, options.log))
    return result


Medians = dict[tuple[str, str], np.ndarray]


def medians_of(records: Sequence[_log.Record]) -> Medians:
    """Median ratio over seeds at each factor, for each way and set; NaN where nothing ran."""
    present = {record["set"] for record in records}
    result = {}
    for way in WAYS:
        for name in (name for name in suite() if name in present):
            row = np.full(len(FACTORS), np.nan)
            for i, factor in enumerate(FACTORS):
                ratios = [r["sse_ratio"] for r in records if (r["set"], r["way"], r["factor"])
                          == (name, way, factor)]  # fmt: skip
                row[i] = np.median(ratios) if ratios else np.nan
            result[way, name] = row
    return result


def page(records: Sequence[_log.Record]) -> str:
    """The page in Markdown."""
    seeds = len({record["seed"] for record in records})
    medians = medians_of(records)
    lines = [
        "# The scale",
        "",
        "SSE ratio to `KMeans(n_init=10)` on all rows where the sketch's scale is the automatic",
        f"one times a factor. m = {RATIO} k d; median over {seeds} seed{'s' * (seeds > 1)} from",
        f"{FIRST_REPORTED_SEED} on. The last column says how far the automatic scale is from the",
        "best of its row; up to 3 % was aimed at. A decode that ended in an error counts as inf.",
        "Made by `python -m docs.benchmarks.scale`.",
        "",
        _log.measured_with(),
        "",
        "![SSE ratio by scale, a panel for each way](../images/scale.png)",
        "",
    ]
    for way in WAYS:
        lines += [f"## {way.capitalize()}", "", *_table(medians, way), ""]
    return "\n".join(lines)


def _table(medians: Medians, way: str) -> list[str]:
    """One way's table, and how many sets are near their best."""
    rows = {name: row for (of_way, name), row in medians.items() if of_way == way}
    lines = [
        "| set | " + " | ".join(LABELS) + " | automatic over best |",
        "|---|" + "---|" * (len(LABELS) + 1),
    ]
    n_near = 0
    for name, row in rows.items():
        excess = row[FACTORS.index(1.0)] / np.nanmin(row)
        n_near += excess <= NEAR
        mark = "" if excess <= NEAR else " (misses)"
        cells = " | ".join("" if np.isnan(ratio) else f"{ratio:.3f}" for ratio in row)
        lines.append(f"| {name} | {cells} | {excess - 1:.1%}{mark} |")
    return [*lines, "", f"Within 3 % of the best: {n_near} of {len(rows)} sets."]


def figure(records: Sequence[_log.Record]) -> Figure:
    """Every set's curve, and the median of them all, for each way."""
    medians = medians_of(records)
    result = Figure(figsize=(9.5, 3.6), facecolor="white")
    axes = result.subplots(1, len(WAYS), sharey=True)
    for ax, (way, color) in zip(axes, WAYS.items(), strict=True):
        curves = np.array([row for (of_way, _), row in medians.items() if of_way == way])
        ax.plot(FACTORS, curves.T, color=color, alpha=0.3, lw=1)
        ax.plot(FACTORS, np.nanmedian(curves, axis=0), color=color, lw=2.5, marker="o", ms=4)
        ax.axvspan(0.97, 1.03, color="#e2e8f0", zorder=0)
        ax.set(xscale="log", yscale="log", title=f"{way}: each set, and the median", ylim=(0.9, 20))
        ax.set_xticks(FACTORS, LABELS)
        ax.set_yticks([1, 1.1, 1.5, 2, 5, 10], ["1", "1.1", "1.5", "2", "5", "10"])
        ax.minorticks_off()
        ax.set_xlabel("scale, as a fraction of the automatic one", color="#475569")
        ax.spines[["top", "right"]].set_visible(False)
        ax.title.set(fontsize=10, color="#0f172a")
    axes[0].set_ylabel("SSE ratio", color="#475569")
    result.tight_layout()
    return result


def warm_up() -> None:
    """Nothing here is timed."""


def parsed(argv: Sequence[str] | None) -> Any:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description="SSE ratio as a function of the scale.")
    parser.add_argument("--sets", default="all", help="parts of names, comma-separated")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 1000 on")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--n-synthetic", type=int, default=N_SYNTHETIC, help="rows")
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument("--page", type=Path, default=Path(__file__).with_suffix(".md"))
    parser.add_argument("--figure", type=Path, default=_log.ROOT / "docs" / "images" / "scale.png")
    parser.add_argument("--report-only", action="store_true", help="run nothing")
    options = parser.parse_args(argv)
    options.sets = _log.names(options.sets, suite())
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing; then write the page and the figure from all that is there."""
    options = parsed(argv)
    if not options.report_only:
        waiting = groups(options, _log.current(_log.read(options.log)))
        _log.work_through(work, waiting, options.jobs, warm_up)
    records = _log.current(_log.read(options.log))
    if records:
        options.page.write_text(page(records), encoding="utf-8")
        figure(records).savefig(options.figure, dpi=100)
        print(f"{options.page}\n{options.figure}")


if __name__ == "__main__":
    main()
