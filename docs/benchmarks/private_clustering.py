"""K-means from one private release, on the Gaussians of a public table of private clusterers.

Run from the root of a checkout; it prints a table::

    python -m docs.benchmarks.private_clustering [--shapes 4x4,16x4] [--epsilons 0.25,1,4]
                                                 [--repetitions 1]

Rows are those of ``make_blobs(20000, n_features=d, centers=k, random_state=1)``, centred and
divided by the largest norm, as the table has them; that uses the rows' own mean and norm and is not
private. The box is public: the cube of half-width 1 in 4 columns, .6 in 16, .35 beyond. Delta is
n^-1.1, and neighbours are added or removed. A figure is the loss over that of
``KMeans(k, n_init=1)`` without privacy; below 1 where that one start was not the best.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning

from sketchlearn import CompressiveKMeans, Sketcher
from sketchlearn.privacy import Budget, release

N_ROWS = 20_000
SHAPES = "4x4,16x4,64x4,4x16,16x16,64x16,4x64,16x64,64x64,4x128,16x128,64x128"
EPSILONS = "0.25,0.5,1,2,4"


def make_rows(k: int, d: int) -> np.ndarray:
    """Return the table's rows."""
    X, _ = make_blobs(N_ROWS, n_features=d, centers=k, random_state=1)
    X = X - X.mean(axis=0)
    return np.asarray(X / np.linalg.norm(X, axis=1).max())


def measure(
    X: np.ndarray, k: int, epsilons: Sequence[float], seed: int
) -> tuple[list[float], float]:
    """Return the ratio of losses at each epsilon, and the longest decode in seconds."""
    n, d = X.shape
    reference = KMeans(k, n_init=1, random_state=seed).fit(X).inertia_
    corner = np.full(d, 1.0 if d <= 4 else 0.6 if d <= 16 else 0.35)
    sketch = Sketcher.from_domain(
        -corner, corner, n_clusters=k, n_frequencies=max(500, 5 * k * d), clip=True,
        random_state=seed,
    ).sketch(X)  # fmt: skip
    ratios, longest, delta = [], 0.0, n**-1.1
    for epsilon in epsilons:
        # Each release is a measurement of its own, not one of several of the same rows.
        private = release(sketch, epsilon=epsilon, delta=delta, budget=Budget(epsilon, delta))
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = CompressiveKMeans(k, random_state=seed).fit_sketch(private)
        longest = max(longest, time.perf_counter() - start)
        ratios.append(-model.score(X) / reference)
    return ratios, longest


def main(argv: Sequence[str] | None = None) -> None:
    """Measure every shape, and print a table."""
    parser = argparse.ArgumentParser(description="K-means from private sketches.")
    parser.add_argument("--shapes", default=SHAPES, help="k x d, separated by commas")
    parser.add_argument("--epsilons", default=EPSILONS, help="separated by commas")
    parser.add_argument("--repetitions", type=int, default=1)
    options = parser.parse_args(argv)
    epsilons = [float(each) for each in options.epsilons.split(",")]
    heads = [f"epsilon {each:g}" for each in epsilons]
    print(f"| k, d | {' | '.join(heads)} | longest decode, s |\n|{'---|' * (len(heads) + 2)}")
    for shape in options.shapes.split(","):
        k, d = (int(each) for each in shape.split("x"))
        X = make_rows(k, d)
        runs = [measure(X, k, epsilons, seed) for seed in range(options.repetitions)]
        ratios = np.mean([ratios for ratios, _ in runs], axis=0)
        cells = " | ".join(f"{ratio:.3f}" for ratio in ratios)
        print(f"| {k}, {d} | {cells} | {max(seconds for _, seconds in runs):.1f} |", flush=True)


if __name__ == "__main__":
    main()
