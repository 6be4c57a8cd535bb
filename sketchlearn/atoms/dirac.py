"""Point masses: what compressive k-means was first defined with."""

from __future__ import annotations

from typing import final

import numpy as np

from sketchlearn.atoms.family import AtomFamily


@final
class Dirac(AtomFamily):
    r"""Point mass at ``c``: :math:`a_j = \exp(i \omega_j^T c)`, no shape.

    Source: Keriven, Tremblay, Traonmilin and Gribonval, "Compressive K-means", ICASSP 2017,
    equation 3.
    """

    @property
    def n_shape(self) -> int:
        """No shape parameter."""
        return 0

    def default_shape(self) -> np.ndarray:
        """Empty."""
        return np.empty(0)

    def shape_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Empty."""
        return np.empty(0), np.empty(0)

    def log_envelope(self, shapes: np.ndarray) -> np.ndarray:
        """Zero: a point mass has waves of modulus 1."""
        return np.zeros((1, self.operator.n_frequencies), dtype=np.float32)

    def log_envelope_rows(self) -> np.ndarray:
        """None, (0, m)."""
        return np.empty((0, self.operator.n_frequencies), dtype=np.float32)

    def log_envelope_pullback(self, shapes: np.ndarray, cotangent: np.ndarray) -> np.ndarray:
        """Empty, (k, 0)."""
        return np.empty((len(shapes), 0))

    def log_envelope_curvature(self, shapes: np.ndarray, power: np.ndarray) -> np.ndarray:
        """Empty, (k, 0)."""
        return np.empty((len(shapes), 0))

    def shapes_of(self, variances: np.ndarray) -> np.ndarray:
        """Empty, (k, 0)."""
        return np.empty((len(variances), 0))

    def covariances(self, parameters: np.ndarray) -> np.ndarray:
        """Zero, (k, n_features)."""
        return np.zeros((len(parameters), self.n_features))
