"""Tables whose columns are not all continuous: flags, categories, counts, grades, and what else.

Every generator takes a seed and a number of rows and gives the rows (n, d), float64 in random
order, and the cluster (n,) that each was drawn from; `MIXED` lists them with the number of
clusters. As with `datasets.synthetic`, constants are tuned on seeds below `FIRST_REPORTED_SEED`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]
Labels = NDArray[np.int64]


class Mixed(NamedTuple):
    """A generator ``draw(seed, n_samples)`` of rows and labels, and the number of clusters."""

    n_clusters: int
    draw: Callable[[int, int], tuple[Rows, Labels]]


def flags(seed: int, n_samples: int) -> tuple[Rows, Labels]:
    """Four clusters in 3 dimensions; beside them four flags, one of them rare, one a coin."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(4, size=n_samples)
    measured = _apart(4, 3, rng)[labels] + rng.standard_normal((n_samples, 3))
    chances = np.column_stack([rng.uniform(0.1, 0.9, (4, 2)), np.full(4, 0.5), np.full(4, 0.02)])
    return np.column_stack([measured, rng.random((n_samples, 4)) < chances[labels]]), labels


def categories(seed: int, n_samples: int) -> tuple[Rows, Labels]:
    """Five clusters in 2 dimensions, and which of six categories, one-hot, of five and of one."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(5, size=n_samples)
    measured = _apart(5, 2, rng)[labels] + rng.standard_normal((n_samples, 2))
    chances = rng.dirichlet(np.ones(6), size=5).cumsum(axis=1)
    chosen = np.sum(rng.random((n_samples, 1)) > chances[labels], axis=1).clip(0, 5)
    return np.column_stack([measured, np.eye(6)[chosen]]), labels


def counts(seed: int, n_samples: int) -> tuple[Rows, Labels]:
    """Four clusters of three Poisson counts, from a few to a hundred, and of one measurement."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(4, size=n_samples)
    means = np.array([[2.0, 60.0, 9.0], [2.0, 15.0, 30.0], [20.0, 60.0, 1.0], [6.0, 120.0, 70.0]])
    measured = rng.normal(rng.uniform(-5.0, 5.0, 4)[labels], 1.0)
    return np.column_stack([rng.poisson(means[labels]), measured]), labels


def amounts(seed: int, n_samples: int) -> tuple[Rows, Labels]:
    """Three clusters: amounts that are often zero, a constant, a column twice, far apart units."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=n_samples)
    amount = rng.lognormal(np.array([1.0, 2.0, 3.0])[labels], 0.4)
    amount[rng.random(n_samples) < np.array([0.6, 0.3, 0.1])[labels]] = 0.0
    twice = np.array([-6.0, 0.0, 6.0])[labels] + rng.standard_normal(n_samples)
    large = 1e6 * (np.array([0.0, 8.0, 3.0])[labels] + rng.standard_normal(n_samples))
    small = 1e-6 * rng.standard_normal(n_samples)
    flag = rng.random(n_samples) < np.array([0.2, 0.5, 0.8])[labels]
    constant = np.full(n_samples, 7.0)
    return np.column_stack([amount, constant, twice, twice, large, small, flag]), labels


def grades(seed: int, n_samples: int) -> tuple[Rows, Labels]:
    """Four clusters of ten grades from 1 to 5 and two flags: nothing is continuous."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(4, size=n_samples)
    means = rng.uniform(1.0, 5.0, size=(4, 10))
    drawn = np.rint(means[labels] + 0.7 * rng.standard_normal((n_samples, 10))).clip(1, 5)
    chances = rng.uniform(0.1, 0.9, size=(4, 2))
    return np.column_stack([drawn, rng.random((n_samples, 2)) < chances[labels]]), labels


def _apart(k: int, d: int, rng: np.random.Generator) -> Rows:
    """Centres no two of which are nearer than six."""
    centers = np.empty((0, d))
    while len(centers) < k:
        tried = rng.uniform(-9.0, 9.0, size=d)
        if (np.linalg.norm(centers - tried, axis=1) >= 6.0).all():
            centers = np.vstack([centers, tried])
    return centers


MIXED: dict[str, Mixed] = {
    "flags": Mixed(4, flags),
    "categories": Mixed(5, categories),
    "counts": Mixed(4, counts),
    "amounts": Mixed(3, amounts),
    "grades": Mixed(4, grades),
}
