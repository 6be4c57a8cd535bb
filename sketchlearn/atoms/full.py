"""Gaussian atoms of any covariance."""

from __future__ import annotations

from typing import final

import numpy as np

from sketchlearn.atoms.gaussian import (
    GREATEST_VARIANCE,
    LEAST_VARIANCE,
    CovarianceType,
    GaussianFamily,
)
from sketchlearn.frequencies import FrequencyOperator

# Least diagonal entry of a factor, whose square the least variance is added to.
LEAST_DIAGONAL = 0.01


@final
class FullGaussian(GaussianFamily):
    r"""Gaussian of covariance :math:`s^2 (f I + L L^T)`, its shape the Cholesky factor L.

    L is lower triangular; s is the operator's scale; f = 0.02 keeps every direction's variance from
    collapsing. The shape holds the logarithms of L's diagonal, then its entries below the diagonal
    row by row:

    .. math:: a_j = \exp\bigl(i \omega_j^T c
              - \tfrac{s^2}{2} (f \|\omega_j\|^2 + \|L^T \omega_j\|^2)\bigr).

    Source: the characteristic function of a Gaussian; the log-Cholesky parametrisation is that of
    Pinheiro and Bates, "Unconstrained parametrizations for variance-covariance matrices",
    Statistics and Computing 6, 1996, section 2.2.
    """

    def __init__(self, operator: FrequencyOperator) -> None:
        super().__init__(operator)
        # Frequencies (m, d) in units of one over the scale. What a shape of d (d + 1) / 2 numbers
        # needs has m d numbers an atom in any case.
        frequencies = self._map.project(np.eye(self.n_features))
        self._scaled = np.ascontiguousarray(frequencies.T, np.float32) * np.float32(operator.scale)
        self._floor = np.float32(0.5 * LEAST_VARIANCE) * np.sum(self._scaled**2, axis=1)
        self._below = np.tril_indices(operator.n_features, -1)

    @property
    def covariance_type(self) -> CovarianceType:
        """Full covariance matrices."""
        return "full"

    @property
    def n_shape(self) -> int:
        """D (d + 1) / 2."""
        return self.n_features * (self.n_features + 1) // 2

    def default_shape(self) -> np.ndarray:
        """A covariance of the squared scale times the identity."""
        return self.shapes_of(np.full((1, self.n_features), self.operator.scale**2))[0]

    def shape_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Diagonal entries from 0.01 to 5, the others up to 5 in magnitude, in units of s."""
        d, largest = self.n_features, np.sqrt(GREATEST_VARIANCE)
        others = np.full(self.n_shape - d, largest)
        least = np.concatenate([np.full(d, np.log(LEAST_DIAGONAL)), -others])
        return least, np.concatenate([np.full(d, np.log(largest)), others])

    def log_envelope(self, shapes: np.ndarray) -> np.ndarray:
        """``-s^2 (f ||omega_j||^2 + ||L^T omega_j||^2) / 2``; one row where all are equal."""
        if np.all(shapes == shapes[0]):
            shapes = shapes[:1]
        projected = self._scaled @ self._unpack_factors(shapes).astype(np.float32)
        return -self._floor - np.float32(0.5) * np.einsum("kjl,kjl->kj", projected, projected)

    def log_envelope_pullback(self, shapes: np.ndarray, cotangent: np.ndarray) -> np.ndarray:
        """``-s^2 sum_j cotangent_kj omega_j (L^T omega_j)^T``, diagonal entries times L's."""
        factors = self._unpack_factors(shapes)
        moments = np.stack([(self._scaled.T * row) @ self._scaled for row in cotangent])
        return -self._pack_shapes(moments @ factors, np.exp(shapes[:, : self.n_features]))

    def log_envelope_curvature(self, shapes: np.ndarray, power: np.ndarray) -> np.ndarray:
        """``s^4 sum_j power_kj omega_aj^2 (L^T omega_j)_b^2``, the diagonal's times L_aa^2."""
        factors = self._unpack_factors(shapes).astype(np.float32)
        squared = (self._scaled**2).T
        rows = np.broadcast_to(power, (len(shapes), power.shape[1]))
        curvature = np.stack(
            [
                (squared * row) @ (self._scaled @ factor) ** 2
                for row, factor in zip(rows, factors, strict=True)
            ]
        )
        return self._pack_shapes(curvature, np.exp(2.0 * shapes[:, : self.n_features]))

    def shapes_of(self, variances: np.ndarray) -> np.ndarray:
        """Shapes (k, n_shape) of axis-parallel atoms."""
        return self._fit_shapes(variances[:, :, None] * np.eye(self.n_features))

    def from_covariances(self, locations: np.ndarray, covariances: np.ndarray) -> np.ndarray:
        """Parameters of atoms of given means (k, d) and covariances (k, d, d), within bounds."""
        return np.hstack([locations, self._fit_shapes(covariances)])

    def covariances(self, parameters: np.ndarray) -> np.ndarray:
        """Diagonals of the covariances, (k, n_features)."""
        return np.einsum("kll->kl", self.covariance_matrices(parameters)).copy()

    def covariance_matrices(self, parameters: np.ndarray) -> np.ndarray:
        """Covariances (k, n_features, n_features)."""
        factors = self._unpack_factors(parameters[:, self.n_features :])
        products = factors @ factors.transpose(0, 2, 1)
        return self.operator.scale**2 * (products + LEAST_VARIANCE * np.eye(self.n_features))

    def _fit_shapes(self, covariances: np.ndarray) -> np.ndarray:
        """Nearest shapes of covariances (k, d, d), eigenvalues brought within the bounds."""
        values, axes = np.linalg.eigh(covariances / self.operator.scale**2)
        room = LEAST_DIAGONAL**2
        values = np.clip(values - LEAST_VARIANCE, room, GREATEST_VARIANCE - LEAST_VARIANCE)
        factors = np.linalg.cholesky((axes * values[:, None, :]) @ axes.transpose(0, 2, 1))
        diagonals = np.einsum("kll->kl", factors)
        rows, columns = self._below
        shapes = np.hstack([np.log(diagonals), factors[:, rows, columns]])
        return np.clip(shapes, *self.shape_bounds())

    def _unpack_factors(self, shapes: np.ndarray) -> np.ndarray:
        """The matrices L (k, d, d), float64, in units of the scale."""
        d = self.n_features
        factors = np.zeros((len(shapes), d, d))
        factors[:, np.arange(d), np.arange(d)] = np.exp(shapes[:, :d])
        rows, columns = self._below
        factors[:, rows, columns] = shapes[:, d:]
        return factors

    def _pack_shapes(self, matrices: np.ndarray, diagonal_factors: np.ndarray) -> np.ndarray:
        """Diagonals times their factors, then what is below them, (k, n_shape)."""
        rows, columns = self._below
        diagonals = np.einsum("kll->kl", matrices) * diagonal_factors
        return np.hstack([diagonals, matrices[:, rows, columns]])
