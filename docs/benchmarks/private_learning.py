"""What else one private release gives: mixtures, synthetic rows; and how many rows it needs.

Run from the root of a checkout, with the extra ``privacy``; prints three tables::

    python -m docs.benchmarks.private_learning [--n 100000] [--seeds 3]

Rows are of five Gaussians with a variance of their own along each column, in a box that is public;
delta is 1e-6, neighbours are added or removed. Rows to score are others of the same kind.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from scipy.stats import wasserstein_distance
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from docs.benchmarks._log import measured_with
from sketchlearn import CompressiveGaussianMixture, Sketch, Sketcher, synthesize
from sketchlearn.privacy import Budget, PrivateSketch, release

K, DELTA, CORNER = 5, 1e-6, 10.0
EPSILONS = (0.1, 1.0, 10.0)
DIMENSIONS = (2, 5, 10)
SIZES = (100, 500, 1000, 5000)


def make_rows(n: int, d: int, seed: int) -> np.ndarray:
    """Return rows of five Gaussians, centres in the middle of the box."""
    rng = np.random.default_rng(seed)
    centers = rng.uniform(-6.0, 6.0, size=(K, d))
    deviations = rng.uniform(0.5, 1.5, size=(K, d))
    kinds = rng.integers(K, size=n)
    return centers[kinds] + deviations[kinds] * rng.standard_normal((n, d))


def sketch_rows(X: np.ndarray, seed: int) -> Sketch:
    """Sketch rows with an operator that saw none."""
    d = X.shape[1]
    corner = np.full(d, CORNER)
    return Sketcher.from_domain(
        -corner, corner, n_clusters=K, n_frequencies=max(500, 10 * K * d), clip=True,
        random_state=seed,
    ).sketch(X)  # fmt: skip


def release_once(sketch: Sketch, epsilon: float) -> PrivateSketch:
    """Release a sketch; each release is a measurement of its own."""
    return release(sketch, epsilon=epsilon, delta=DELTA, budget=Budget(epsilon, DELTA))


def compare_rows(rows: np.ndarray, X: np.ndarray) -> tuple[float, float, float, float]:
    """Return how far synthetic rows are from the data.

    The k-means loss of their centroids on the data over that of the data's own; the distance of the
    means and of the covariances, the largest, in the data's deviations; and that of the marginals,
    the largest Wasserstein distance of a column, in the same.
    """
    ours, own = (KMeans(K, n_init=3, random_state=0).fit(each) for each in (rows, X))
    deviations = X.std(axis=0)
    mean = np.abs((rows.mean(axis=0) - X.mean(axis=0)) / deviations).max()
    scaled = np.outer(deviations, deviations)
    covariance = np.abs((np.cov(rows.T) - np.cov(X.T)) / scaled).max()
    marginal = max(
        wasserstein_distance(a, b) / s for a, b, s in zip(rows.T, X.T, deviations, strict=True)
    )
    return -ours.score(X) / own.inertia_, float(mean), float(covariance), float(marginal)


def rows_for_noise(epsilon: float, m: int) -> float:
    """Return n at which the mechanism's noise equals that of sampling, where waves average to 0.

    The first is a fixed distance of sums, the second grows with the root of n.
    """
    sketcher = Sketcher.from_domain([0.0], [1.0], n_frequencies=m, clip=True, random_state=0)
    (mechanism,) = release_once(sketcher.sketch(np.full((10, 1), 0.5)), epsilon).mechanisms
    return 2.0 * mechanism.variance("waves") * 2.0**-42


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print three tables."""
    parser = argparse.ArgumentParser(description="Mixtures and rows from private sketches.")
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args(argv)
    heads = " | ".join(f"ε = {each:g}" for each in EPSILONS)
    lost, differences = {}, {}
    for d in DIMENSIONS:
        for seed in range(options.seeds):
            X, others = np.split(make_rows(2 * options.n, d, seed), 2)
            em = GaussianMixture(K, covariance_type="diag", n_init=3, random_state=seed).fit(X)
            sketch = sketch_rows(X, seed)
            for epsilon in EPSILONS:
                private = release_once(sketch, epsilon)
                model = CompressiveGaussianMixture(K, covariance_type="diag", random_state=seed)
                score = model.fit_sketch(private).score(others)
                lost[d, epsilon, seed] = em.score(others) - score
                if seed == 0:
                    rows = synthesize(private, 20_000, random_state=seed)
                    differences[d, epsilon] = compare_rows(rows, X)
    print(f"{measured_with()}\n")
    print(f"Nats a row lost to EM on all rows, median and worst of {options.seeds}\n")
    print(f"| d | {heads} |\n|{'---|' * (len(EPSILONS) + 1)}")
    for d in DIMENSIONS:
        scores = [[lost[d, each, seed] for seed in range(options.seeds)] for each in EPSILONS]
        cells = [f"{np.median(each):.4f} / {max(each):.4f}" for each in scores]
        print(f"| {d} | {' | '.join(cells)} |")
    print("\nSynthetic rows: k-means loss, mean, covariance, marginal (first seed)\n")
    print(f"| d | {heads} |\n|{'---|' * (len(EPSILONS) + 1)}")
    for d in DIMENSIONS:
        cells = [", ".join(f"{x:.3f}" for x in differences[d, each]) for each in EPSILONS]
        print(f"| {d} | {' | '.join(cells)} |")
    print("\nRows at which the mechanism's noise is that of sampling\n")
    print(f"| m | {heads} |\n|{'---|' * (len(EPSILONS) + 1)}")
    for m in SIZES:
        cells = [f"{float(f'{rows_for_noise(each, m):.2g}'):,.0f}" for each in EPSILONS]
        print(f"| {m} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
