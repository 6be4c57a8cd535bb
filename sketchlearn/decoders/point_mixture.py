"""Maximum likelihood on points that stand for the data."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from sketchlearn._progress import begin
from sketchlearn._threads import OneThread
from sketchlearn.atoms import CovarianceType, GaussianFamily
from sketchlearn.decoders.decoder import Mixture

# Least variance, in parts of the squared scale, of the atoms that EM starts from: from a narrower
# one it would never leave the few points beneath it.
LEAST_START = 0.1
# What EM adds to variances, in parts of the squared scale.
REGULARISATION = 1e-6
# Copies of a weighted point, on average.
COPIES = 4
# Points from which copies are fewer.
MANY_POINTS = 40_000


def mixture_of_points(
    points: np.ndarray,
    family: GaussianFamily,
    n_atoms: int,
    start: Mixture | None,
    rng: np.random.Generator,
    *,
    n_random: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Weights (k,), means (k, d), covariances (k, d, d) of the likeliest mixture that EM finds.

    EM runs from ``start``, if there is one, whose atoms may be of another Gaussian family, and from
    ``n_random`` k-means starts. The family says of which type the covariances are; its bounds do
    not hold, as points may show what a sketch cannot resolve. The last number is that of
    iterations.
    """
    centre, unit = family.operator.center, family.operator.scale
    # To order one, so that EM's own thresholds do not see the data's units.
    scaled = (points - centre) / unit
    models = []
    if start is not None:
        led = _led_by(start, family)
        models.append(run_em(scaled, n_atoms, family.covariance_type, REGULARISATION, rng, **led))
    if n_random:
        kind = family.covariance_type
        models.append(run_em(scaled, n_atoms, kind, REGULARISATION, rng, n_init=n_random))
    best = max(models, key=lambda model: model.lower_bound_)
    covariances = unit**2 * as_matrices(best.covariances_, family.covariance_type, best.means_)
    n_iter = sum(model.n_iter_ for model in models)
    return best.weights_, best.means_ * unit + centre, covariances, n_iter


def repeated(
    points: np.ndarray, weights: np.ndarray, rng: np.random.Generator, *, least: int = 0
) -> np.ndarray:
    """Points in numbers that follow their weights up to one: EM knows no weights."""
    n = max(least, len(points), min(COPIES * len(points), MANY_POINTS))
    reached = np.cumsum(weights) * (n / weights.sum())
    ticks = rng.random() + np.arange(n)
    return points[np.minimum(np.searchsorted(reached, ticks, "right"), len(points) - 1)]


def _led_by(start: Mixture, family: GaussianFamily) -> dict[str, np.ndarray]:
    """What tells scikit-learn to start EM from a mixture, in units of the scale."""
    operator = family.operator
    matrices = start.family.covariance_matrices(start.parameters) / operator.scale**2
    values, axes = np.linalg.eigh(matrices)
    inverse = (axes / np.maximum(values, LEAST_START)[:, None, :]) @ axes.transpose(0, 2, 1)
    # An atom of weight zero would get no point, and divide by their number.
    shares = np.maximum(start.weights, 1e-3 / len(start.weights))
    return {
        "weights_init": shares / shares.sum(),
        "means_init": (start.locations - operator.center) / operator.scale,
        "precisions_init": _in_shape(inverse, family.covariance_type),
    }


def run_em(
    points: np.ndarray,
    k: int,
    covariance_type: CovarianceType,
    reg_covar: float,
    rng: np.random.Generator,
    **options: Any,
) -> GaussianMixture:
    """scikit-learn's mixture after EM on points, on one thread."""
    begin(f"EM on {len(points):,} points")
    model = GaussianMixture(
        k,
        covariance_type=covariance_type,
        reg_covar=reg_covar,
        random_state=int(rng.integers(2**31 - 1)),
        **options,
    )
    # One thread: with more, the sums depend on which thread comes first.
    with OneThread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(points)


def _in_shape(matrices: np.ndarray, covariance_type: str) -> np.ndarray:
    """Matrices (k, d, d) in the shape that scikit-learn has for a type of covariance."""
    if covariance_type == "full":
        return matrices
    diagonals = np.einsum("kll->kl", matrices)
    return diagonals if covariance_type == "diag" else diagonals.mean(axis=1)


def as_matrices(covariances: np.ndarray, covariance_type: str, means: np.ndarray) -> np.ndarray:
    """Matrices (k, d, d) from scikit-learn's shape for a type of covariance."""
    if covariance_type == "full":
        return covariances
    diagonals = covariances if covariance_type == "diag" else covariances[:, None]
    return np.broadcast_to(diagonals, means.shape)[:, :, None] * np.eye(means.shape[1])
