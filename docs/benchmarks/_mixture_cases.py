"""What `mixtures.py` fits mixtures to: planted ones, and real tables.

Every case draws rows to fit and other rows to be judged on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from datasets.suite import mnist_pca
from datasets.tables import digits_pca10
from sketchlearn.atoms import CovarianceType

Rows = NDArray[np.float64]

N_PLANTED = 50_000
N_LARGE = 1_000_000
# Least distance of separated centres, in the largest deviation, which is one.
SEPARATION = 8.0


@dataclass(frozen=True)
class Case:
    """A kind of data, a covariance type, and how large the sketch may be.

    Attributes
    ----------
    n_components : int
        Components of every mixture fitted.
    n_features : int
        Columns.
    covariance_type : {"diag", "spherical", "full"}
        Of the mixtures fitted; of a planted one as well.
    n_frequencies : int
        Size m of the sketch.
    draw : callable
        From a seed to rows to fit and rows to judge on.
    aim : float or None
        Largest median gap aimed at, in nats.
    n_init : int
        Runs of EM that the reference is the best of.
    most_seeds : int
        How many seeds are worth the time.
    """

    n_components: int
    n_features: int
    covariance_type: CovarianceType
    n_frequencies: int
    draw: Callable[[int], tuple[Rows, Rows]]
    aim: float | None
    n_init: int = 3
    most_seeds: int = 10


def separated_centers(k: int, d: int, rng: np.random.Generator) -> Rows:
    """Centres in a cube, one by one, no two nearer than eight of the largest deviation."""
    side = SEPARATION * 2.0 * k ** (1.0 / d)
    centers = np.empty((0, d))
    while len(centers) < k:
        tried = rng.uniform(-side / 2, side / 2, size=d)
        if (np.linalg.norm(centers - tried, axis=1) >= SEPARATION).all():
            centers = np.vstack([centers, tried])
    return centers


def overlapping_centers(k: int, d: int, rng: np.random.Generator) -> Rows:
    """Normal centres, some four of the mean deviation from one another in any dimension."""
    return rng.standard_normal((k, d)) * (2.0 / np.sqrt(d))


def factors(kind: CovarianceType, k: int, d: int, rng: np.random.Generator) -> Rows:
    """Square roots (k, d, d) of covariances, deviations from 0.5 to 1 along their axes."""
    n_deviations = 1 if kind == "spherical" else d
    deviations = np.exp(rng.uniform(np.log(0.5), 0.0, size=(k, n_deviations, 1)))
    axes = np.broadcast_to(np.eye(d), (k, d, d))
    if kind == "full":
        axes = np.linalg.qr(rng.standard_normal((k, d, d)))[0]
    return deviations * axes


def planted(
    seed: int, *, k: int, d: int, kind: CovarianceType, is_separated: bool, n: int
) -> tuple[Rows, Rows]:
    """Rows of a random mixture, n to fit and 50,000 to judge on."""
    rng = np.random.default_rng(seed)
    centers = (separated_centers if is_separated else overlapping_centers)(k, d, rng)
    roots = factors(kind, k, d, rng)
    shares = rng.dirichlet(np.full(k, 5.0))
    return drawn(n, centers, roots, shares, rng), drawn(N_PLANTED, centers, roots, shares, rng)


def drawn(n: int, centers: Rows, roots: Rows, shares: Rows, rng: np.random.Generator) -> Rows:
    """Rows of a mixture of Gaussians, component by component, then shuffled."""
    counts = rng.multinomial(n, shares)
    parts = [
        center + rng.standard_normal((count, len(center))) @ root
        for center, root, count in zip(centers, roots, counts, strict=True)
    ]
    return rng.permutation(np.concatenate(parts))


def held_out(load: Callable[[], Rows]) -> Callable[[int], tuple[Rows, Rows]]:
    """Draw 70 % of a real table to fit, the rest to judge on."""

    def draw(seed: int) -> tuple[Rows, Rows]:
        fitted, judged = train_test_split(load(), train_size=0.7, random_state=seed)
        return fitted, judged

    return draw


def planted_case(k: int, d: int, kind: CovarianceType, is_separated: bool) -> Case:
    """M is five times the parameters of a diagonal mixture, or of a full one where it is full."""
    per_atom = 1 + d + d * (d + 1) // 2 if kind == "full" else 2 * d + 1

    def draw(seed: int) -> tuple[Rows, Rows]:
        return planted(seed, k=k, d=d, kind=kind, is_separated=is_separated, n=N_PLANTED)

    return Case(k, d, kind, 5 * k * per_atom, draw, 0.02 if is_separated else 0.05)


def large_case(n_frequencies: int, is_separated: bool) -> Case:
    """A million rows of 64 components in 12 dimensions; EM runs once."""

    def draw(seed: int) -> tuple[Rows, Rows]:
        return planted(seed, k=64, d=12, kind="diag", is_separated=is_separated, n=N_LARGE)

    return Case(64, 12, "diag", n_frequencies, draw, 0.1, n_init=1, most_seeds=3)


def real_cases(name: str, load: Callable[[], Rows]) -> dict[str, Case]:
    """Ten components in ten principal components, at two sizes of sketch, and in full."""
    draw = held_out(load)
    return {
        f"{name} at 5 kd": Case(10, 10, "diag", 500, draw, 0.2),
        f"{name} at 10 kd": Case(10, 10, "diag", 1000, draw, 0.1),
        f"{name} full at 10 kd": Case(10, 10, "full", 1000, draw, None),
    }


CASES: dict[str, Case] = {
    **{
        f"{'separated' if is_separated else 'overlapping'} {d}-d": planted_case(
            10, d, "diag", is_separated
        )
        for is_separated in (True, False)
        for d in (2, 5, 10)
    },
    "separated spherical 5-d": planted_case(10, 5, "spherical", True),
    "overlapping spherical 5-d": planted_case(10, 5, "spherical", False),
    "separated full 5-d": planted_case(10, 5, "full", True),
    "overlapping full 5-d": planted_case(10, 5, "full", False),
    **real_cases("digits PCA-10", digits_pca10),
    **real_cases("MNIST PCA-10", lambda: mnist_pca(10)),
    "million rows separated": large_case(3840, True),
    "million rows overlapping": large_case(3840, False),
}
