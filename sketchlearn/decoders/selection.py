"""Finding where the next atom should be: mode seeking on the residual from many starts at once."""

from __future__ import annotations

from typing import Literal

import numpy as np

from sketchlearn.atoms import AtomFamily

Starts = Literal["gaussian", "box"]

N_STEPS = 20
# A start where the correlation is weak may not move by more than one kernel width anyway.
WEAKEST = 1e-3


def starting_points(
    family: AtomFamily, starts: Starts, n_points: int, rng: np.random.Generator
) -> np.ndarray:
    """Points (n_points, d) of the operator's box, uniform or Gaussian as the pilot was."""
    operator = family.operator
    if starts == "box":
        return rng.uniform(operator.lower, operator.upper, size=(n_points, family.n_features))
    points = rng.multivariate_normal(
        operator.center, operator.covariance, size=n_points, method="eigh"
    )
    return np.clip(points, operator.lower, operator.upper)


def select(
    family: AtomFamily,
    shape: np.ndarray,
    residual: np.ndarray,
    starts: np.ndarray,
    n_ascents: int,
) -> np.ndarray:
    r"""Location (d,) where :math:`b(c) = \langle a(c), r \rangle` is largest, atoms of one shape.

    All starts are compared with one matrix product, and the best ``n_ascents`` of them climb
    together by mean shift, :math:`c \leftarrow c + \nabla b / (\tau^2 b)`, with
    :math:`\tau^2 = \sum_j e_j \|\omega_j\|^2 / (d \sum_j e_j)` for the envelope e: the kernel's
    inverse squared width. Atoms of one shape have one norm, so this is the normalised correlation.

    Source: Belhadji and Gribonval, "Sketch and shift", 2024 (arXiv 2312.09940), section 3.
    """
    envelope = np.exp(family.log_envelope(shape[None]))
    squared_norms = np.sum(family.operator.frequencies**2, axis=0)
    tau2 = float(envelope[0] @ squared_norms) / (family.n_features * float(envelope.sum()))
    stacked = residual.astype(np.float32)
    correlations = family.waves(starts, envelope) @ stacked
    points = starts[np.argsort(-correlations, kind="stable")[:n_ascents]]
    for _ in range(N_STEPS):
        points = _shift(family, envelope, stacked, points, tau2)
    correlations = family.waves(points, envelope) @ stacked
    return points[np.argmax(correlations)]


def _shift(
    family: AtomFamily, envelope: np.ndarray, residual: np.ndarray, points: np.ndarray, tau2: float
) -> np.ndarray:
    """One mean-shift step of all points, no longer than the kernel's width, kept in the box."""
    waves = family.waves(points, envelope)
    correlations = (waves @ residual).astype(np.float64)
    floor = WEAKEST * max(float(np.max(correlations)), 1e-12)
    steps = family.location_pullback(waves, residual) / (
        tau2 * np.maximum(correlations, floor)[:, None]
    )
    lengths = np.linalg.norm(steps, axis=1, keepdims=True)
    steps *= np.minimum(1.0, 1.0 / np.maximum(np.sqrt(tau2) * lengths, 1e-300))
    return np.clip(points + steps, family.operator.lower, family.operator.upper)
