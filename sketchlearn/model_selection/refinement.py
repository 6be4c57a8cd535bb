"""The mixture that is likeliest given a whitened sketch, near one that is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from sketchlearn.atoms import CovarianceType
from sketchlearn.model_selection.noise import WhitenedSketch
from sketchlearn.points.em import Moments

# Damping, as a share of the diagonal: at first, and by what it changes.
DAMPING, FACTOR, MOST_TRIES = 1e-3, 10.0, 5
# Least eigenvalue of a covariance after a step, as a share of what it was: no collapse at once.
LEAST_SHRINKING = 0.1
# Decrease of the sum of squares at which steps end: it is a log likelihood's, twice.
LEAST_DECREASE = 0.5


@dataclass(frozen=True, eq=False)
class Shapes:
    """Which covariances components may have.

    Attributes
    ----------
    tangents : ndarray of shape (s, d, d)
        Directions in which they may change.
    least_variance : float
        That in any direction, in squared units of the coordinates.
    """

    tangents: np.ndarray
    least_variance: float

    @classmethod
    def of(cls, covariance_type: CovarianceType, d: int, least_variance: float) -> Self:
        """Return those of a type, in d dimensions."""
        if covariance_type == "spherical":
            return cls(np.eye(d)[None], least_variance)
        rows, columns = np.diag_indices(d) if covariance_type == "diag" else np.triu_indices(d)
        tangents = np.zeros((len(rows), d, d))
        tangents[np.arange(len(rows)), rows, columns] = 1.0
        tangents[np.arange(len(rows)), columns, rows] = 1.0
        return cls(tangents, least_variance)

    @property
    def n_parameters(self) -> int:
        """Numbers of a component: weight, mean and shape."""
        return 1 + self.tangents.shape[1] + len(self.tangents)


def refine(
    whitened: WhitenedSketch,
    mixture: Moments,
    shapes: Shapes,
    block: np.ndarray,
    n_steps: int,
) -> tuple[Moments, float]:
    """Move the components of a block, by Levenberg and Marquardt's method.

    Parameters
    ----------
    whitened : WhitenedSketch
        What is to be matched.
    mixture : Moments
        Where it starts.
    shapes : Shapes
        Which covariances they may have.
    block : ndarray of int
        Which components move; the others stay.
    n_steps : int
        Most steps.

    Returns
    -------
    Moments
        The mixture.
    float
        The sum of squares that it leaves.
    """
    start = _take(mixture, block)
    others = np.setdiff1d(np.arange(len(mixture.weights)), block)
    rest = whitened.compute_residual(_take(mixture, others))
    current, damping = start, DAMPING
    cost = np.inf
    for _ in range(n_steps):
        residual, jacobian = linearise(whitened, current, shapes.tangents, rest)
        cost = float(residual @ residual)
        normal, slope = jacobian.T @ jacobian, jacobian.T @ residual
        for _ in range(MOST_TRIES):
            damped = normal + np.diag(damping * np.diag(normal) + 1e-12)
            try:
                step = cho_solve(cho_factor(damped), slope)
            except LinAlgError:
                damping *= FACTOR
                continue
            tried = _move(current, step, shapes)
            left = rest - whitened.compute(tried)
            if float(left @ left) < cost:
                break
            damping *= FACTOR
        else:
            break
        decrease, cost = cost - float(left @ left), float(left @ left)
        current, damping = tried, damping / FACTOR
        if decrease < LEAST_DECREASE:
            break
    return _put(mixture, block, current), cost


def linearise(
    whitened: WhitenedSketch, mixture: Moments, tangents: np.ndarray, rest: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the residual, and the derivatives (2 m + 1, k (1 + d + s)) of what is matched."""
    waves = whitened.waves.vectors
    atoms = whitened.waves.compute_atoms(mixture.means, mixture.covariances)
    (k, m), d, s = atoms.shape, len(waves), len(tangents)
    bends = -0.5 * tangents.reshape(s, -1) @ whitened.waves.products
    factors = np.concatenate([np.ones((1, m)), 1j * waves, bends])
    columns = factors[None] * atoms[:, None]
    columns[:, 1:] *= mixture.weights[:, None, None]
    totals = np.zeros((k, 1 + d + s))
    totals[:, 0] = 1.0
    jacobian = whitened.whiten(columns.reshape(-1, m).T, totals.ravel())
    return rest - jacobian[:, :: 1 + d + s] @ mixture.weights, jacobian


def _move(mixture: Moments, step: np.ndarray, shapes: Shapes) -> Moments:
    """Return the mixture a step further, its covariances kept positive."""
    k, d = mixture.means.shape
    step = step.reshape(k, -1)
    covariances = mixture.covariances + np.einsum("ks,sde->kde", step[:, 1 + d :], shapes.tangents)
    values, axes = np.linalg.eigh(covariances)
    least = LEAST_SHRINKING * np.linalg.eigvalsh(mixture.covariances)[:, :1]
    values = np.maximum(values, np.maximum(least, shapes.least_variance))
    return Moments(
        np.maximum(mixture.weights + step[:, 0], 0.0),
        mixture.means + step[:, 1 : 1 + d],
        (axes * values[:, None, :]) @ axes.transpose(0, 2, 1),
    )


def _take(mixture: Moments, block: np.ndarray) -> Moments:
    """Return some of the components."""
    return Moments(*(each[block] for each in mixture))


def _put(mixture: Moments, block: np.ndarray, part: Moments) -> Moments:
    """Return the mixture with some components replaced."""
    result = Moments(*(each.copy() for each in mixture))
    for whole, new in zip(result, part, strict=True):
        whole[block] = new
    return result
