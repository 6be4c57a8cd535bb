"""What wide data cost: processor seconds, sums of squares and file sizes, against k-means' own.

Run from the root of a checkout; it takes about ten minutes and writes `wide.md` beside it::

    python -m docs.benchmarks.wide [--sets all] [--seeds 3] [--page wide.md]

Seconds are the processor's, the least of the seeds, on one thread of BLAS and OpenMP, those of
``KMeans(n_init=3)`` in the same run: with more threads on a busy machine k-means takes several
times as many. Ratios are of the sum of squared distances to the nearest centroid, over that of
``KMeans(n_init=10)``; the median of the seeds, which draw frequencies and, where it is synthetic,
the data.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from datasets.suite import mnist
from datasets.synthetic import FIRST_REPORTED_SEED
from docs.benchmarks import _log
from docs.benchmarks._methods import N_INIT, Rows, inertia
from sketchlearn import CompressiveKMeans, Sketch, Sketcher

N_ROWS = 5000
# Frequencies for each coordinate of each centroid: what "auto" gave wide rows before they were
# decoded along few directions, and the columns up to which the page still has them.
BEFORE, MOST_BEFORE = 2, 1000


@dataclass(frozen=True)
class WideSet:
    """How many clusters, and ``rows(seed)``."""

    n_clusters: int
    rows: Callable[[int], Rows]


@dataclass(frozen=True)
class Run:
    """Seconds and ratio of `fit`, of `fit_sketch`, and the bytes of the sketch's file."""

    n_frequencies: int
    k_means_seconds: float
    fit_seconds: float
    fit_ratio: float
    sketch_seconds: float
    decode_seconds: float
    decode_ratio: float
    n_bytes: int


def digits(seed: int) -> Rows:
    """Draw images of MNIST, all their pixels."""
    images = mnist().images
    rows = np.random.default_rng(seed).choice(len(images), N_ROWS, replace=False)
    return np.asarray(images[rows], dtype=np.float64)


def directions(seed: int, d: int = 384, k: int = 16, noise: float = 1.0) -> Rows:
    """Draw unit vectors around k directions, as embeddings of texts on k subjects are."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((k, d))
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    rows = centers[rng.integers(k, size=N_ROWS)]
    rows = rows + noise * rng.standard_normal((N_ROWS, d)) / np.sqrt(d)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def corners(seed: int, width: float) -> Rows:
    """Draw rows around the 32 corners of a hypercube of side 1, of that standard deviation."""
    rng = np.random.default_rng(seed)
    cube = np.array(list(itertools.product([0.0, 1.0], repeat=5)))
    return cube[rng.integers(len(cube), size=6000)] + width * rng.standard_normal((6000, 5))


SETS = {
    "MNIST's pixels, 5,000 x 784, k = 10": WideSet(10, digits),
    "16 directions, 5,000 x 384, k = 16": WideSet(16, directions),
    "16 vaguer directions, 5,000 x 384, k = 16": WideSet(
        16, lambda seed: directions(seed, noise=2.0)
    ),
    "16 directions, 5,000 x 4,096, k = 16": WideSet(16, lambda seed: directions(seed, 4096)),
    "16 directions, 5,000 x 16,384, k = 16": WideSet(16, lambda seed: directions(seed, 16384)),
    "corners of a hypercube, 6,000 x 5, k = 32": WideSet(32, lambda seed: corners(seed, 0.1)),
    "sharp corners, 6,000 x 5, k = 32": WideSet(32, lambda seed: corners(seed, 0.01)),
}


def seconds_of(work: Callable[[], Rows]) -> tuple[float, Rows]:
    """Processor seconds of a call, and what it gave."""
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        result = work()
    return time.process_time() - start, result


def run(X: Rows, k: int, size: int | Literal["auto"], seed: int) -> Run:
    """Cluster the same rows by k-means, by `fit` and from a file."""
    reference = float(KMeans(k, n_init=N_INIT, random_state=seed).fit(X).inertia_)
    k_means_seconds, _ = seconds_of(
        lambda: KMeans(k, n_init=3, random_state=seed).fit(X).cluster_centers_
    )
    fit_seconds, fitted = seconds_of(
        lambda: CompressiveKMeans(k, n_frequencies=size, random_state=seed).fit(X).cluster_centers_
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.sketch")
        start = time.process_time()
        sketcher = Sketcher(size, n_clusters=k, keep_pilot=False, random_state=seed)
        sketcher.fit(X).sketch(X).save(path)
        sketch_seconds = time.process_time() - start
        n_bytes, sketch = path.stat().st_size, Sketch.load(path)
    decode_seconds, decoded = seconds_of(
        lambda: CompressiveKMeans(k, random_state=seed).fit_sketch(sketch).cluster_centers_
    )
    return Run(
        sketch.operator.n_frequencies,
        k_means_seconds,
        fit_seconds,
        inertia(X, fitted) / reference,
        sketch_seconds,
        decode_seconds,
        inertia(X, decoded) / reference,
        n_bytes,
    )


def row(name: str, label: str, runs: Sequence[Run], data_bytes: int) -> str:
    """One line of the table."""

    def least(figure: str) -> float:
        return min(getattr(each, figure) for each in runs)

    def middle(figure: str) -> float:
        return float(np.median([getattr(each, figure) for each in runs]))

    k_means, fit = least("k_means_seconds"), least("fit_seconds")
    return (
        f"| {name} | {label}{runs[0].n_frequencies:,} | {k_means:.2f} | "
        f"{fit:.2f} ({fit / k_means:.1f}) | {middle('fit_ratio'):.3f} | "
        f"{least('sketch_seconds'):.2f} | {least('decode_seconds'):.2f} | "
        f"{middle('decode_ratio'):.3f} | {runs[0].n_bytes / 1e6:.1f} | {data_bytes / 1e6:.1f} |"
    )


def warm_up() -> None:
    """Compile the kernels, outside every timing."""
    run(np.random.default_rng(0).normal(size=(300, 3)), 3, 100, 0)
    run(np.random.default_rng(0).normal(size=(300, 120)), 3, 3000, 0)


def table(names: Sequence[str], n_seeds: int) -> list[str]:
    """Measure every set at "auto", and wide ones at as many frequencies as were usual."""
    lines = [
        "| rows | m | `KMeans(n_init=3)`, s | `fit`, s (over k-means) | SSE ratio | sketch, s | "
        "`fit_sketch`, s | SSE ratio | file, MB | rows in float32, MB |",
        "|---|" + "---|" * 9,
    ]
    seeds = range(FIRST_REPORTED_SEED, FIRST_REPORTED_SEED + n_seeds)
    with threadpool_limits(1):
        warm_up()
        for name in names:
            k, rows = SETS[name].n_clusters, SETS[name].rows
            d = rows(seeds[0]).shape[1]
            sizes: dict[str, int | Literal["auto"]] = {"auto: ": "auto"}
            if 100 < d <= MOST_BEFORE:
                sizes[""] = BEFORE * k * d
            for label, size in sizes.items():
                runs = [run(rows(seed), k, size, seed) for seed in seeds]
                lines.append(row(name, label, runs, 4 * rows(seeds[0]).size))
                _log.say(lines[-1])
    return lines


def page(lines: Sequence[str], n_seeds: int) -> str:
    """Lay out the results."""
    heading = f"""# Wide data

Processor seconds on one thread, the least of {n_seeds} seeds, and sums of squares over those of
`KMeans(n_init=10)`, the median. `fit` is with its pilot, `sketch` from rows to a file, `fit_sketch`
from the file. "auto" takes 10 k q frequencies, up to 3,000 and 2 k q at least, for the q = k + 20
directions along which rows of more than 100 columns are decoded; before, it took {BEFORE} k d,
which the lines below those of "auto" have, decoded in the same way. No matrix of d^2 numbers is
made where transforms are fast, as they are from 128 columns on.
Made by `python -m docs.benchmarks.wide`.

{_log.measured_with()}

"""
    return heading + "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and write the page."""
    parser = argparse.ArgumentParser(description="What wide data cost.")
    parser.add_argument("--sets", default="all", help="parts of names, comma-separated")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 1000 on")
    parser.add_argument("--page", type=Path, default=Path(__file__).with_suffix(".md"))
    options = parser.parse_args(argv)
    lines = table(_log.names(options.sets, SETS), options.seeds)
    options.page.write_text(page(lines, options.seeds), encoding="utf-8")


if __name__ == "__main__":
    main()
