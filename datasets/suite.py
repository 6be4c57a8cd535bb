"""Every data set of the quality suite under one name: synthetic, tables, and MNIST."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from datasets.mnist import Digits, load_mnist
from datasets.spectral import spectral_features
from datasets.synthetic import SYNTHETIC, Synthetic
from datasets.tables import TABLES
from datasets.uncommon import PACKAGED, UNCOMMON

Rows = NDArray[np.float64]

N_SYNTHETIC = 50_000


class SuiteSet(NamedTuple):
    """The number of clusters to look for, and ``rows(seed)``; real data is the same for all."""

    n_clusters: int
    rows: Callable[[int], Rows]


@cache
def mnist() -> Digits:
    """The digits that can be had here; their ``source`` says which."""
    return load_mnist()


@cache
def mnist_pca(n_components: int) -> Rows:
    """Principal components of MNIST's images."""
    reduced = PCA(n_components, random_state=0).fit_transform(mnist().images)
    return np.asarray(reduced, dtype=np.float64)


@cache
def mnist_spectral() -> Rows:
    """Spectral features of MNIST's images, 10 columns."""
    return spectral_features(mnist().images)


def _synthetic(synthetic: Synthetic, n_samples: int) -> SuiteSet:
    n_clusters, draw = synthetic
    return SuiteSet(n_clusters, lambda seed: draw(seed, n_samples))


def _real(n_clusters: int, load: Callable[[], Rows]) -> SuiteSet:
    return SuiteSet(n_clusters, lambda seed: load())


def suite(n_synthetic: int = N_SYNTHETIC) -> dict[str, SuiteSet]:
    """All sets by name, the synthetic ones with ``n_synthetic`` rows; nothing is loaded yet."""
    return {
        **{name: _synthetic(one, n_synthetic) for name, one in SYNTHETIC.items()},
        **{name: _real(*table) for name, table in TABLES.items()},
        "MNIST PCA-10": _real(10, lambda: mnist_pca(10)),
        "MNIST PCA-20": _real(10, lambda: mnist_pca(20)),
        "MNIST spectral": _real(10, mnist_spectral),
    }


def new_sets(n_synthetic: int = N_SYNTHETIC) -> dict[str, SuiteSet]:
    """Sets of kinds that the suite lacks, by name; tables may need packages of another extra."""
    return {
        **{name: _synthetic(one, n_synthetic) for name, one in UNCOMMON.items()},
        **{name: _real(*table) for name, table in PACKAGED.items()},
    }


def every_set(n_synthetic: int = N_SYNTHETIC) -> dict[str, SuiteSet]:
    """The suite's sets, then the new ones."""
    return suite(n_synthetic) | new_sets(n_synthetic)
