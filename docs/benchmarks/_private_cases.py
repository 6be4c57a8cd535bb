"""Data sets of the private benchmarks, and what was published about them.

It needs numpy and scikit-learn alone, so that rivals can run in an environment of their own.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, make_blobs
from sklearn.decomposition import PCA

N_ROWS = 20_000
EPSILONS = (0.25, 0.5, 1.0, 2.0, 4.0)
SHAPES = ((4, 4), (16, 4), (64, 4), (4, 16), (16, 16), (64, 16),
          (4, 64), (16, 64), (64, 64), (4, 128), (16, 128), (64, 128))  # fmt: skip
# Areas over that of k-means without privacy, by k and d, as published in tables of
# arXiv 2606.00342: PE-means, Google's LSH clustering, FastLloyd, diffprivlib.
PUBLISHED = {
    (4, 4): (1.00, 1.68, 2.29, 3.03),
    (16, 4): (0.97, 2.13, 2.16, 3.07),
    (64, 4): (1.10, 3.76, 2.38, 3.47),
    (4, 16): (1.01, 1.47, 7.48, 5.31),
    (16, 16): (1.10, 2.63, 11.8, 9.59),
    (64, 16): (1.84, 6.03, 11.9, 13.6),
    (4, 64): (1.02, 1.14, 15.3, 9.0),
    (16, 64): (1.40, 2.67, 20.6, 16.2),
    (64, 64): (3.73, 9.57, 26.7, 27.3),
    (4, 128): (1.04, 1.13, 16.7, 11.0),
    (16, 128): (1.70, 3.09, 25.1, 21.5),
    (64, 128): (6.15, 10.4, 29.2, 31.7),
}


@dataclass(frozen=True)
class Case:
    """Rows to be clustered: how many clusters, and where they come from."""

    name: str
    n_clusters: int
    load: Callable[[], np.ndarray]

    def rows(self) -> np.ndarray:
        """Return the rows, centred and divided by the largest norm, as the published table has it.

        That uses the rows' own mean and norm, and is not private.
        """
        X = self.load()
        X = X - X.mean(axis=0)
        return np.asarray(X / np.linalg.norm(X, axis=1).max())


def load_blobs(k: int, d: int) -> np.ndarray:
    """Return the published table's Gaussians."""
    return np.asarray(make_blobs(N_ROWS, n_features=d, centers=k, random_state=1)[0])


def load_mnist() -> np.ndarray:
    """Return the training digits along 20 principal axes; FileNotFoundError without MNIST."""
    folder = Path(os.environ.get("SKETCHLEARN_DATA", "")) / "mnist"
    (path,) = [*folder.glob("train-images*gz")] or [folder / "train-images-idx3-ubyte.gz"]
    with gzip.open(path) as file:
        pixels = np.frombuffer(file.read()[16:], np.uint8).reshape(-1, 784)
    return np.asarray(PCA(20, random_state=0).fit_transform(pixels.astype(np.float64)))


def list_cases() -> dict[str, Case]:
    """Return all cases by name, MNIST only where it is at hand."""
    cases = [Case(f"blobs {k}x{d}", k, partial(load_blobs, k, d)) for k, d in SHAPES]
    cases += [
        Case("digits", 10, lambda: load_digits().data),
        Case("iris", 3, lambda: load_iris().data),
        Case("breast cancer, standardised", 2, load_cancer),
    ]
    if [*(Path(os.environ.get("SKETCHLEARN_DATA", "")) / "mnist").glob("train-images*gz")]:
        cases.append(Case("MNIST PCA-20", 10, load_mnist))
    return {case.name: case for case in cases}


def load_cancer() -> np.ndarray:
    """Return scikit-learn's breast cancer table in units of its columns' deviations."""
    X = load_breast_cancer().data
    return np.asarray((X - X.mean(axis=0)) / X.std(axis=0))


def fit_reference(X: np.ndarray, k: int, seed: int) -> float:
    """Return the loss of one start of k-means without privacy, which others are divided by."""
    return float(KMeans(k, n_init=1, random_state=seed).fit(X).inertia_)


def area(ratios: dict[float, float]) -> float:
    """Return the area under ratios over epsilon, by trapezia, over the width: 3.75."""
    epsilons = sorted(ratios)
    values = np.array([ratios[each] for each in epsilons])
    widths = np.diff(epsilons)
    return float(np.sum(widths * (values[1:] + values[:-1]) / 2.0) / widths.sum())
