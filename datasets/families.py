"""Kinds of data beside the quality suite, for judging whether decodes know their faults.

Two tables, disjoint: limits of verdicts are chosen on `CHOOSING`, and judged on `JUDGING`. Every
generator takes a seed and a number of rows, and gives an array (n, d) of float64.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from datasets.synthetic import Synthetic

Rows = NDArray[np.float64]


def unequal_widths(seed: int, n: int) -> Rows:
    """Eight Gaussians in 3 dimensions, of standard deviations from 0.2 to 4 at random."""
    rng = np.random.default_rng([seed, 1])
    centers, widths = 8.0 * rng.normal(size=(8, 3)), np.exp(rng.uniform(-1.6, 1.4, 8))
    labels = rng.integers(8, size=n)
    return centers[labels] + widths[labels, None] * rng.normal(size=(n, 3))


def falling_shares(seed: int, n: int) -> Rows:
    """Ten Gaussians in 4 dimensions, each rarer than the one before."""
    rng = np.random.default_rng([seed, 2])
    shares = np.arange(1.0, 11.0) ** -1.5
    labels = rng.choice(10, size=n, p=shares / shares.sum())
    return 4.0 * rng.normal(size=(10, 4))[labels] + rng.normal(size=(n, 4))


def skewed(seed: int, n: int) -> Rows:
    """Log-normal columns, four, without clusters; twelve are asked for."""
    rng = np.random.default_rng([seed, 3])
    return np.exp(rng.normal(size=(n, 4)) @ (np.eye(4) + 0.3 * rng.normal(size=(4, 4))))


def cigars(seed: int, n: int) -> Rows:
    """Six Gaussians in 3 dimensions, ten times as long as thick."""
    rng = np.random.default_rng([seed, 4])
    axes = np.linalg.qr(rng.normal(size=(6, 3, 3)))[0] * np.array([4.0, 0.4, 0.4])
    labels = rng.integers(6, size=n)
    noise = np.einsum("nij,nj->ni", axes[labels], rng.normal(size=(n, 3)))
    return 6.0 * rng.normal(size=(6, 3))[labels] + noise


def spiral(seed: int, n: int) -> Rows:
    """A spiral in the plane; fourteen clusters are asked for."""
    rng = np.random.default_rng([seed, 5])
    turn = 4.0 * np.pi * np.sqrt(rng.random(n))
    line = np.stack([turn * np.cos(turn), turn * np.sin(turn)], axis=1)
    return line + 0.3 * rng.normal(size=(n, 2))


def one_far(seed: int, n: int) -> Rows:
    """Six Gaussians in 3 dimensions, one of a hundredth of the rows, 50 deviations away."""
    rng = np.random.default_rng([seed, 6])
    centers = 4.0 * rng.normal(size=(6, 3))
    centers[0] = 50.0 * _direction(rng, 3)
    labels = rng.choice(6, size=n, p=[0.01, *[0.198] * 5])
    return centers[labels] + rng.normal(size=(n, 3))


def tiers(seed: int, n: int) -> Rows:
    """Nine Gaussians in the plane, at distances from 5 to 500 deviations."""
    rng = np.random.default_rng([seed, 7])
    turns = rng.uniform(0.0, 2.0 * np.pi, 9)
    centers = np.geomspace(5.0, 500.0, 9)[:, None] * np.stack([np.cos(turns), np.sin(turns)], 1)
    return centers[rng.integers(9, size=n)] + rng.normal(size=(n, 2))


def counts(seed: int, n: int) -> Rows:
    """Six Poisson laws in 5 dimensions."""
    rng = np.random.default_rng([seed, 8])
    rates = rng.gamma(1.0, 4.0, size=(6, 5))
    return rng.poisson(rates[rng.integers(6, size=n)]).astype(float)


def compositions(seed: int, n: int) -> Rows:
    """Dirichlet laws, five, of six shares that sum to one."""
    rng = np.random.default_rng([seed, 9])
    sharpness = rng.gamma(1.0, 3.0, size=(5, 6)) + 0.2
    draws = rng.gamma(sharpness[rng.integers(5, size=n)]) + 1e-12
    return draws / draws.sum(axis=1, keepdims=True)


def cube(seed: int, n: int) -> Rows:
    """A uniform cube in 3 dimensions; eight clusters are asked for."""
    return np.random.default_rng([seed, 10]).random((n, 3))


def sheet(seed: int, n: int) -> Rows:
    """A rolled-up sheet in 3 dimensions; ten clusters are asked for."""
    rng = np.random.default_rng([seed, 11])
    turn, height = 1.5 * np.pi * (1.0 + 2.0 * rng.random(n)), 21.0 * rng.random(n)
    roll = np.stack([turn * np.cos(turn), height, turn * np.sin(turn)], axis=1)
    return roll + 0.3 * rng.normal(size=(n, 3))


def pairs(seed: int, n: int) -> Rows:
    """Ten Gaussians in 4 dimensions, two and two close together, the pairs far apart."""
    rng = np.random.default_rng([seed, 12])
    centers = np.repeat(20.0 * rng.normal(size=(5, 4)), 2, axis=0) + 2.0 * rng.normal(size=(10, 4))
    return centers[rng.integers(10, size=n)] + rng.normal(size=(n, 4))


def wide_rare(seed: int, n: int) -> Rows:
    """Three narrow clusters in the plane, and five rare ones, three times as wide, far off."""
    rng = np.random.default_rng([seed, 21])
    centers = np.vstack([rng.uniform(0, 20, (3, 2)), rng.uniform([60, -60], [180, 60], (5, 2))])
    labels = rng.choice(8, size=n, p=np.repeat([0.92 / 3, 0.08 / 5], [3, 5]))
    return centers[labels] + rng.normal(size=(n, 2)) * np.where(labels < 3, 0.75, 2.5)[:, None]


def two_far(seed: int, n: int) -> Rows:
    """Eight Gaussians in 5 dimensions, and two rare clusters on both sides, far away."""
    rng = np.random.default_rng([seed, 22])
    X = 3.0 * rng.normal(size=(8, 5))[rng.integers(8, size=n)] + rng.normal(size=(n, 5))
    where = rng.random(n)
    X[where < 0.005] += 40.0
    X[(where >= 0.005) & (where < 0.01)] -= 40.0
    return X


def nested(seed: int, n: int) -> Rows:
    """Four times four Gaussians in 6 dimensions, clusters of clusters."""
    rng = np.random.default_rng([seed, 23])
    centers = 40.0 * rng.normal(size=(4, 1, 6)) + 2.5 * rng.normal(size=(4, 4, 6))
    return centers.reshape(16, 6)[rng.integers(16, size=n)] + rng.normal(size=(n, 6))


def rings(seed: int, n: int) -> Rows:
    """Three rings in the plane; twelve clusters are asked for."""
    rng = np.random.default_rng([seed, 24])
    radii, turns = rng.choice([1.0, 3.0, 6.0], n), rng.uniform(0.0, 2.0 * np.pi, n)
    circles = radii[:, None] * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    return circles + 0.15 * rng.normal(size=(n, 2))


def wide_few(seed: int, n: int) -> Rows:
    """Eight Gaussians in 3 dimensions, four of them rare and four times as wide as the others."""
    rng = np.random.default_rng([seed, 25])
    labels = rng.choice(8, size=n, p=np.repeat([0.241, 0.009], 4))
    widths = np.where(labels < 4, 1.0, 4.0)
    return 15.0 * rng.normal(size=(8, 3))[labels] + widths[:, None] * rng.normal(size=(n, 3))


def heavy(seed: int, n: int) -> Rows:
    """Six clusters in 4 dimensions with tails of Student's t, 2.5 degrees of freedom."""
    rng = np.random.default_rng([seed, 26])
    noise = rng.normal(size=(n, 4)) / np.sqrt(rng.chisquare(2.5, (n, 1)) / 2.5)
    return 8.0 * rng.normal(size=(6, 4))[rng.integers(6, size=n)] + noise


def often_zero(seed: int, n: int) -> Rows:
    """Amounts in four columns that are zero half of the time; eight clusters are asked for."""
    rng = np.random.default_rng([seed, 27])
    return np.where(rng.random((n, 4)) < 0.5, 0.0, rng.gamma(2.0, [1.0, 2.0, 3.0, 4.0], (n, 4)))


def corners(seed: int, n: int) -> Rows:
    """Sixteen corners of a cube in 6 dimensions, blurred."""
    rng = np.random.default_rng([seed, 28])
    where = rng.permutation(64)[:16]
    bits = (where[:, None] >> np.arange(6)) & 1
    return bits[rng.integers(16, size=n)] + 0.12 * rng.normal(size=(n, 6))


def paths(seed: int, n: int) -> Rows:
    """Five winding paths in 3 dimensions; fifteen clusters are asked for."""
    rng = np.random.default_rng([seed, 29])
    steps = np.cumsum(rng.normal(size=(5, 60, 3)), axis=1) + 12.0 * rng.normal(size=(5, 1, 3))
    places = steps.reshape(-1, 3)[rng.integers(300, size=n)]
    return places + 0.4 * rng.normal(size=(n, 3))


def windows(seed: int, n: int) -> Rows:
    """Windows of eight steps of an autoregressive series; eight clusters are asked for."""
    rng = np.random.default_rng([seed, 30])
    X = np.empty((n, 8))
    X[:, 0] = rng.normal(size=n) / np.sqrt(1 - 0.8**2)
    for j in range(1, 8):
        X[:, j] = 0.8 * X[:, j - 1] + rng.normal(size=n)
    return X


def sphere(seed: int, n: int) -> Rows:
    """The surface of a sphere in 4 dimensions; ten clusters are asked for."""
    rng = np.random.default_rng([seed, 31])
    X = rng.normal(size=(n, 4))
    return X / np.linalg.norm(X, axis=1, keepdims=True) + 0.03 * rng.normal(size=(n, 4))


def survey(seed: int, n: int) -> Rows:
    """Answers from 1 to 5 to six questions, of five kinds of people."""
    rng = np.random.default_rng([seed, 32])
    opinions = rng.uniform(1.0, 5.0, (5, 6))
    answers = opinions[rng.integers(5, size=n)] + rng.normal(size=(n, 6))
    return np.clip(np.rint(answers), 1.0, 5.0)


CHOOSING: dict[str, Synthetic] = {
    "unequal widths": Synthetic(8, unequal_widths),
    "falling shares": Synthetic(10, falling_shares),
    "skewed": Synthetic(12, skewed),
    "cigars": Synthetic(6, cigars),
    "spiral": Synthetic(14, spiral),
    "one far": Synthetic(6, one_far),
    "tiers": Synthetic(9, tiers),
    "counts": Synthetic(6, counts),
    "compositions": Synthetic(5, compositions),
    "cube": Synthetic(8, cube),
    "sheet": Synthetic(10, sheet),
    "pairs": Synthetic(10, pairs),
}
JUDGING: dict[str, Synthetic] = {
    "wide and rare": Synthetic(8, wide_rare),
    "two far": Synthetic(10, two_far),
    "nested": Synthetic(16, nested),
    "rings": Synthetic(12, rings),
    "a few wide": Synthetic(8, wide_few),
    "heavy": Synthetic(6, heavy),
    "often zero": Synthetic(8, often_zero),
    "corners": Synthetic(16, corners),
    "paths": Synthetic(15, paths),
    "windows": Synthetic(8, windows),
    "sphere": Synthetic(10, sphere),
    "survey": Synthetic(5, survey),
}


def _direction(rng: np.random.Generator, d: int) -> Rows:
    direction = rng.normal(size=d)
    return direction / np.linalg.norm(direction)
