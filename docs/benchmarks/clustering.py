"""How good k-means from a sketch is, against k-means on all rows and on a random few of them.

Run from the root of a checkout; prints the table of the README::

    python -m docs.benchmarks.clustering [--seeds 10]

Ratios are of the sum of squared distances to the nearest centroid, over that of
``KMeans(n_init=10)`` on all rows; the median and the worst over seeds, which draw the frequencies,
the subsample and, for the synthetic set, the data. Seconds are the processor's, on one thread.
"""

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from datasets.mnist import load_mnist
from datasets.spectral import spectral_features
from sketchlearn import CompressiveKMeans, Sketcher

N_CLUSTERS = 10
N_SUBSAMPLE = 20_000

Rows = NDArray[np.floating]
Method = Callable[[Rows, int], NDArray[np.float64]]


def separated_gaussians(seed: int) -> Rows:
    """Draw 100,000 rows in 10 dimensions around 10 distant centres."""
    rng = np.random.default_rng(1000 + seed)
    centers = 4.0 * rng.standard_normal((N_CLUSTERS, 10))
    return centers[rng.integers(N_CLUSTERS, size=100_000)] + rng.standard_normal((100_000, 10))


def sketched(X: Rows, seed: int) -> NDArray[np.float64]:
    """Return the centroids of `CompressiveKMeans` as it comes."""
    model = CompressiveKMeans(N_CLUSTERS, compute_labels=False, random_state=seed)
    return model.fit(X).cluster_centers_


def sketched_alone(X: Rows, seed: int) -> NDArray[np.float64]:
    """Return the centroids that a sketch yields where no row of the data is left."""
    sketcher = Sketcher(n_clusters=N_CLUSTERS, keep_pilot=False, random_state=seed).fit(X)
    model = CompressiveKMeans(N_CLUSTERS, random_state=seed)
    return model.fit_sketch(sketcher.sketch(X)).cluster_centers_


def subsampled(X: Rows, seed: int) -> NDArray[np.float64]:
    """Return the centroids of k-means, ten starts, on a random few of the rows."""
    rng = np.random.default_rng(seed)
    rows = X[rng.choice(len(X), size=min(N_SUBSAMPLE, len(X)), replace=False)]
    return KMeans(N_CLUSTERS, n_init=10, random_state=seed).fit(rows).cluster_centers_


METHODS: dict[str, Method] = {
    "`fit(X)`": sketched,
    "`fit_sketch`, no row kept": sketched_alone,
    f"k-means on {N_SUBSAMPLE:,} rows": subsampled,
}


def data_sets() -> dict[str, Callable[[int], Rows]]:
    """Return each set's name and its rows for a seed; real data is the same for all."""
    digits = PCA(10, random_state=0).fit_transform(load_digits().data)
    mnist = load_mnist()
    reduced = PCA(10, random_state=0).fit_transform(mnist.images)
    features = spectral_features(mnist.images)
    n = f"{len(reduced):,}"
    return {
        "separated Gaussians, 100,000 x 10": separated_gaussians,
        "`load_digits`, 10 components, 1,797 x 10": lambda seed: digits,
        f"MNIST, 10 components, {n} x 10": lambda seed: reduced,
        f"MNIST, spectral features, {n} x 10": lambda seed: features,
    }


def inertia(X: Rows, centers: NDArray[np.float64]) -> float:
    """Sum the squared distances to the nearest centroid."""
    products = X @ centers.T
    squares = np.einsum("ij,ij->i", X, X)
    return float(np.sum(squares + np.min(np.sum(centers**2, axis=1) - 2 * products, axis=1)))


def measure(rows: Callable[[int], Rows], seeds: range) -> list[str]:
    """Return a cell for each method: median and worst ratio over the seeds, median seconds."""
    ratios = np.empty((len(METHODS), len(seeds)))
    seconds = np.empty_like(ratios)
    for j, seed in enumerate(seeds):
        X = rows(seed)
        reference = KMeans(N_CLUSTERS, n_init=10, random_state=seed).fit(X).inertia_
        for i, method in enumerate(METHODS.values()):
            start = time.process_time()
            centers = method(X, seed)
            seconds[i, j] = time.process_time() - start
            ratios[i, j] = inertia(X, centers) / reference
    return [
        f"{np.median(ratio):.3f} / {ratio.max():.3f}, {np.median(second):.1f} s"
        for ratio, second in zip(ratios, seconds, strict=True)
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure every method on every set, and print a Markdown table."""
    parser = argparse.ArgumentParser(description="Accuracy of k-means from a sketch.")
    parser.add_argument("--seeds", type=int, default=10)
    seeds = range(parser.parse_args(argv).seeds)
    print("| data | " + " | ".join(METHODS) + " |")
    print("|---|" + "---|" * len(METHODS))
    with threadpool_limits(1):
        sketched(separated_gaussians(0)[:2000], 0)  # compiles the kernels, outside every timing
        for name, rows in data_sets().items():
            print(f"| {name} | " + " | ".join(measure(rows, seeds)) + " |", flush=True)


if __name__ == "__main__":
    main()
