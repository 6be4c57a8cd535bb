"""Gaussian atoms with a variance along each feature."""

from __future__ import annotations

from typing import final

import numpy as np

from sketchlearn.atoms.gaussian import (
    GREATEST_VARIANCE,
    LEAST_VARIANCE,
    CovarianceType,
    GaussianFamily,
)

# An array, as numpy takes as long again to multiply a few numbers by a scalar.
MINUS_HALF = np.array(-0.5)


@final
class DiagonalGaussian(GaussianFamily):
    r"""Gaussian of diagonal covariance, its shape the logarithms of the variances.

    :math:`a_j = \exp(i \omega_j^T c - \sum_l v_l \omega_{lj}^2 / 2)` with
    :math:`v_l = s^2 e^{\eta_l}`, s the operator's scale (Keriven, Bourrier, Gribonval and Perez,
    "Sketching for large-scale learning of mixture models", 2018, equation 5.5).
    """

    @property
    def covariance_type(self) -> CovarianceType:
        """One variance a feature."""
        return "diag"

    @property
    def n_shape(self) -> int:
        """One log-variance a feature."""
        return self.n_features

    def default_shape(self) -> np.ndarray:
        """Zeros: variances of the squared scale."""
        return np.zeros(self.n_features)

    def shape_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """From 0.02 to 25 times the squared scale, along every feature."""
        ones = np.ones(self.n_features)
        return np.log(LEAST_VARIANCE * ones), np.log(GREATEST_VARIANCE * ones)

    def least_shape(self, least_variance: float) -> np.ndarray:
        """Its logarithm, along every feature."""
        return np.full(self.n_features, np.log(least_variance))

    def log_envelope(self, shapes: np.ndarray) -> np.ndarray:
        """``-sum_l v_l omega_lj^2 / 2``; one row where all shapes are equal."""
        if np.all(shapes == shapes[0]):
            shapes = shapes[:1]
        halves = (MINUS_HALF * np.exp(shapes)).astype(np.float32)
        return self._map.project_powers(halves, 2, self.operator.scale)

    def log_envelope_rows(self) -> np.ndarray:
        """``-scale^2 omega_lj^2 / 2``, a row a feature."""
        halves = np.diag(np.full(self.n_features, -0.5, np.float32))
        return self._map.project_powers(halves, 2, self.operator.scale)

    def log_envelope_pullback(self, shapes: np.ndarray, cotangent: np.ndarray) -> np.ndarray:
        """``-v_l sum_j cotangent_kj omega_lj^2 / 2``."""
        squares = self._map.adjoint_powers(cotangent, 2, self.operator.scale)
        return MINUS_HALF * np.exp(shapes) * squares

    def log_envelope_curvature(self, shapes: np.ndarray, power: np.ndarray) -> np.ndarray:
        """``v_l^2 sum_j power_kj omega_lj^4 / 4``."""
        fourths = self._map.adjoint_powers(power, 4, self.operator.scale)
        return 0.25 * np.exp(2.0 * shapes) * fourths

    def shapes_of(self, variances: np.ndarray) -> np.ndarray:
        """Logs of the variances over the squared scale, (k, d)."""
        return np.log(
            np.clip(variances / self.operator.scale**2, LEAST_VARIANCE, GREATEST_VARIANCE)
        )

    def covariances(self, parameters: np.ndarray) -> np.ndarray:
        """The variances, (k, n_features)."""
        return self.operator.scale**2 * np.exp(parameters[:, self.n_features :])
