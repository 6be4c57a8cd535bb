"""What all decoders share: weights by non-negative least squares, and the joint adjustment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import nnls

from sketchlearn._progress import tell
from sketchlearn.atoms import AtomFamily
from sketchlearn.optim.lbfgs import minimise

# Relative to the mean squared norm: what separates atoms that are equal.
RIDGE = 1e-6

Shapes = Literal["fixed", "shared", "free"]


@dataclass(frozen=True)
class Fit:
    """Weights and parameters on the way, with their cost."""

    weights: np.ndarray
    parameters: np.ndarray
    cost: float
    n_iter: int = 0
    converged: bool = True


def residual_of(target: np.ndarray, weights: np.ndarray, atoms: np.ndarray) -> np.ndarray:
    """``z - sum_k alpha_k a_k``, stacked real, float64."""
    return target - weights.astype(np.float32) @ atoms


def nonnegative_weights(target: np.ndarray, atoms: np.ndarray) -> np.ndarray:
    """Weights (k,) >= 0 that minimise ``||z - alpha @ atoms||``, from the Gram matrix."""
    factor = cholesky(gram_matrix(atoms), lower=True)
    correlations = atoms.astype(np.float64) @ target
    return nnls(factor.T, solve_triangular(factor, correlations, lower=True))[0]


def gram_matrix(atoms: np.ndarray) -> np.ndarray:
    """Inner products of the atoms, with enough ridge that equal atoms can be solved for."""
    # Rounded to float32, the matrix of nearly equal atoms would not be positive definite.
    atoms = atoms.astype(np.float64)
    gram = atoms @ atoms.T
    gram[np.diag_indices_from(gram)] += RIDGE * np.trace(gram) / len(gram)
    return gram


def reweighted(target: np.ndarray, family: AtomFamily, parameters: np.ndarray) -> Fit:
    """The best weights for given parameters."""
    atoms = family.sketch(parameters)
    weights = nonnegative_weights(target, atoms)
    residual = residual_of(target, weights, atoms)
    return Fit(weights, parameters, float(residual @ residual))


def fit_of(
    target: np.ndarray, family: AtomFamily, weights: np.ndarray, parameters: np.ndarray
) -> Fit:
    """The cost of given atoms with given weights, which are not solved for."""
    residual = residual_of(target, weights, family.sketch(parameters))
    return Fit(weights, parameters, float(residual @ residual))


class _Packing:
    """Weights, locations and shapes as one vector, scaled to about unit curvature."""

    def __init__(self, family: AtomFamily, fit: Fit, shapes: Shapes) -> None:
        self.family = family
        self.shapes = shapes
        self.start = fit.parameters
        self.k, self.d = len(fit.weights), family.n_features
        atoms = family.sketch(fit.parameters)
        curvature = family.curvature(fit.parameters, atoms)
        least = 0.05 / self.k
        squared = np.maximum(fit.weights, least * max(fit.weights.sum(), 1e-3))[:, None] ** 2
        power = np.einsum("kj,kj->k", atoms, atoms)
        self.scales = 1.0 / np.sqrt(
            np.maximum(2.0 * self._pack(power, squared * curvature, np.sum), 1e-30)
        )
        least_theta, greatest_theta = family.bounds()
        ones = np.ones((self.k, 1))
        self.lower = self._pack(np.zeros(self.k), ones * least_theta, np.mean) / self.scales
        self.upper = (
            self._pack(np.full(self.k, np.inf), ones * greatest_theta, np.mean) / self.scales
        )
        self.x = self._pack(fit.weights, fit.parameters, np.mean) / self.scales

    def _pack(self, weights: np.ndarray, parameters: np.ndarray, combine) -> np.ndarray:  # type: ignore[no-untyped-def]
        """One vector; ``combine`` turns the column of a shared shape parameter into one number."""
        parts = [weights, parameters[:, : self.d].ravel()]
        if self.shapes == "shared":
            parts.append(combine(parameters[:, self.d :], axis=0))
        elif self.shapes == "free":
            parts.append(parameters[:, self.d :].ravel())
        return np.concatenate(parts)

    def unpack(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights and parameters of a vector."""
        k, d = self.k, self.d
        x = x * self.scales
        parameters = self.start.copy()
        parameters[:, :d] = x[k : k + k * d].reshape(k, d)
        if self.shapes == "shared":
            parameters[:, d:] = x[k + k * d :]
        elif self.shapes == "free":
            parameters[:, d:] = x[k + k * d :].reshape(k, -1)
        return x[:k], parameters

    def gradient(self, in_weights: np.ndarray, in_parameters: np.ndarray) -> np.ndarray:
        """Gradient in the packed, scaled variables."""
        return self._pack(in_weights, in_parameters, np.sum) * self.scales


def adjust(
    target: np.ndarray,
    family: AtomFamily,
    fit: Fit,
    *,
    shapes: Shapes,
    max_iter: int,
    tolerance: float = 1e-6,
    prior: float = 0.0,
) -> Fit:
    r"""Minimise :math:`\|z - \sum_k \alpha_k a(\theta_k)\|^2` over weights and parameters jointly.

    Bounded quasi-Newton with analytic gradients, O(d m + k m) memory. ``shapes`` says whether the
    atoms' shape stays, moves as one value that all share, or moves for each atom.

    Shapes that the sketch does not determine stay near their median at the start
    :math:`\bar\eta` if a ``prior`` is given, the weight of an additional
    :math:`\sum_k \|\eta_k - \bar\eta\|^2`, which the returned cost leaves out.
    """
    tell(n_atoms=len(fit.weights))
    packing = _Packing(family, fit, shapes)

    d = family.n_features
    middle = np.median(fit.parameters[:, d:], axis=0)

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        weights, parameters = packing.unpack(x)
        atoms = family.sketch(parameters)
        residual = residual_of(target, weights, atoms)
        in_parameters = -2.0 * weights[:, None] * family.pullback(parameters, atoms, residual)
        cost = float(residual @ residual)
        if prior:
            apart = parameters[:, d:] - middle
            cost += prior * float(np.sum(apart**2))
            in_parameters[:, d:] += 2.0 * prior * apart
        gradient = packing.gradient(
            -2.0 * (atoms @ residual.astype(np.float32)).astype(np.float64), in_parameters
        )
        return cost, gradient

    end = minimise(
        objective, packing.x, packing.lower, packing.upper, max_iter=max_iter, tolerance=tolerance
    )
    weights, parameters = packing.unpack(end.x)
    cost = end.cost - prior * float(np.sum((parameters[:, d:] - middle) ** 2))
    return Fit(weights, parameters, cost, fit.n_iter + end.n_iter, end.converged)
