"""Gaussian atoms."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from sketchlearn.atoms.gaussian import (
    GREATEST_VARIANCE,
    LEAST_VARIANCE,
    CovarianceType,
    GaussianFamily,
)
from sketchlearn.frequencies import FrequencyOperator


@final
class SphericalGaussian(GaussianFamily):
    r"""Gaussian of covariance :math:`s I`, its shape the logarithm of ``s`` over the squared scale.

    Where columns are in unlike units, so are the widths of clusters: relative widths u, the same of
    all atoms, make the covariance :math:`s \operatorname{diag}(u^2)`.

    :math:`a_j = \exp(i \omega_j^T c - s \|\omega_j\|^2 / 2)`. A k-means cluster has a width; an
    atom with a width matches its sketch where a point mass cannot (Keriven, Bourrier, Gribonval and
    Perez, "Sketching for large-scale learning of mixture models", 2018, equation 5.5).

    Parameters
    ----------
    operator : FrequencyOperator
        As in `AtomFamily`.
    common_log_envelope : ndarray of shape (n_frequencies,), optional
        Added to every atom's log-envelope: what widens all of them alike, in directions that the
        operator does not have. Not above zero; zero by default.
    norms_off_axes : ndarray of shape (n_frequencies,), optional
        Squared norms of the frequencies in directions that the operator does not have, along which
        each atom is as wide as along those that it has. None by default.
    widths : ndarray of shape (n_features,), optional
        Relative widths along the columns; ones by default.
    common_covariance : ndarray of shape (n_features, n_features), optional
        B, added to every atom's covariance, :math:`s I + B`: what all atoms have in common that is
        longer than they are wide. None by default.
    """

    def __init__(
        self,
        operator: FrequencyOperator,
        common_log_envelope: np.ndarray | float = 0.0,
        norms_off_axes: np.ndarray | float = 0.0,
        widths: np.ndarray | float = 1.0,
        common_covariance: np.ndarray | None = None,
    ) -> None:
        super().__init__(operator)
        self._common_covariance = common_covariance
        self._common_variances = np.zeros(operator.n_features)
        self._of_covariance: np.ndarray | float = 0.0
        if common_covariance is not None:
            self._common_variances = np.diag(common_covariance)
            blur = operator.linear_map.quadratic_form(common_covariance)
            self._of_covariance = (-0.5 * blur).astype(np.float32)
        if isinstance(common_log_envelope, np.ndarray):
            common_log_envelope = common_log_envelope.astype(np.float32)
        self._common_log_envelope = common_log_envelope
        self._norms_off_axes = norms_off_axes
        self._widths = widths
        norms = self._squared_norms
        if isinstance(widths, np.ndarray):
            norms = operator.linear_map.stretched(widths).squared_norms
        self._all_norms = (norms + norms_off_axes).astype(np.float32)

    def with_widths(self, widths: np.ndarray | float) -> SphericalGaussian:
        """Return the family of atoms that are wider along some columns than along others."""
        return self._with(widths=widths)

    def with_common_covariance(self, covariance: np.ndarray) -> SphericalGaussian:
        """Return the family of atoms that have a covariance (n_features, n_features) in common."""
        return self._with(common_covariance=covariance)

    def in_proportion(self, variance: float | None = None) -> SphericalGaussian:
        """Return the family where what widens all atoms widens each by its variance's share.

        An atom of a given variance is as wide as before, narrower ones less; by default one of the
        operator's scale is.
        """
        off_axes = -2.0 * self._common_log_envelope / (variance or self.operator.scale**2)
        return self._with(common_log_envelope=0.0, norms_off_axes=self._norms_off_axes + off_axes)

    def _on(self, operator: FrequencyOperator) -> SphericalGaussian:
        return self._with(operator=operator)

    def _with(self, **changed: Any) -> SphericalGaussian:
        """Return the family with some of what it was given changed."""
        given = {
            "operator": self.operator,
            "common_log_envelope": self._common_log_envelope,
            "norms_off_axes": self._norms_off_axes,
            "widths": self._widths,
            "common_covariance": self._common_covariance,
        }
        return SphericalGaussian(**(given | changed))

    @property
    def common_log_envelope(self) -> np.ndarray | float:
        """As it was given, and that of the common covariance."""
        return self._common_log_envelope + self._of_covariance

    @property
    def is_wide_off_axes(self) -> bool:
        """Whether a common log-envelope was given."""
        return bool(np.any(self._common_log_envelope))

    @property
    def common_covariance(self) -> np.ndarray | None:
        """As it was given."""
        return self._common_covariance

    @property
    def widths(self) -> np.ndarray | float:
        """As they were given."""
        return self._widths

    @property
    def covariance_type(self) -> CovarianceType:
        """One variance."""
        return "spherical"

    @property
    def n_shape(self) -> int:
        """One: the log-variance."""
        return 1

    def default_shape(self) -> np.ndarray:
        """Zero: a variance of the squared scale."""
        return np.zeros(1)

    def shape_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """From 0.02 to 25 times the squared scale."""
        return np.log([LEAST_VARIANCE]), np.log([GREATEST_VARIANCE])

    def least_shape(self, least_variance: float) -> np.ndarray:
        """Its logarithm."""
        return np.log([least_variance])

    def log_envelope(self, shapes: np.ndarray) -> np.ndarray:
        """``-s ||u omega_j||^2 / 2``; one row where all variances are equal."""
        if (shapes == shapes[0]).all():
            shapes = shapes[:1]
        half_variances = (-0.5 * self.operator.scale**2 * np.exp(shapes)).astype(np.float32)
        return half_variances * self._all_norms + self.common_log_envelope

    def log_envelope_rows(self) -> np.ndarray:
        """``-scale^2 ||omega_j||^2 / 2``, one row."""
        return np.float32(-0.5 * self.operator.scale**2) * self._all_norms[None]

    def log_envelope_pullback(self, shapes: np.ndarray, cotangent: np.ndarray) -> np.ndarray:
        """``-s sum_j cotangent_kj ||omega_j||^2 / 2``."""
        half_variances = 0.5 * self.operator.scale**2 * np.exp(shapes)
        return -half_variances * (cotangent @ self._all_norms)[:, None]

    def log_envelope_curvature(self, shapes: np.ndarray, power: np.ndarray) -> np.ndarray:
        """``s^2 sum_j power_kj ||omega_j||^4 / 4``."""
        scale2 = self.operator.scale**2
        scaled = (self._all_norms * np.float32(0.5 * scale2)) ** 2
        return np.exp(2.0 * shapes) * (power @ scaled)[:, None]

    def shapes_of(self, variances: np.ndarray) -> np.ndarray:
        """Log of the mean variance over the squared scale, widths apart, (k, 1)."""
        own = variances - self._common_variances
        relative = (own / np.square(self._widths)).mean(axis=1, keepdims=True)
        relative /= self.operator.scale**2
        return np.log(np.clip(relative, LEAST_VARIANCE, GREATEST_VARIANCE))

    def covariances(self, parameters: np.ndarray) -> np.ndarray:
        """``s`` along every feature, times its squared width, (k, n_features)."""
        variances = self.operator.scale**2 * np.exp(parameters[:, self.n_features :])
        own = np.repeat(variances, self.n_features, axis=1) * np.square(self._widths)
        return own + self._common_variances

    def covariance_matrices(self, parameters: np.ndarray) -> np.ndarray:
        """Diagonal, but for what all have in common."""
        matrices = super().covariance_matrices(parameters)
        if self._common_covariance is not None:
            matrices += self._common_covariance - np.diag(self._common_variances)
        return matrices
