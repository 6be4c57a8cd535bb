"""What all Gaussian atoms share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal

import numpy as np

from sketchlearn.atoms.family import AtomFamily

# Variance of an atom, in units of the operator's squared scale.
LEAST_VARIANCE, GREATEST_VARIANCE = 0.02, 25.0

CovarianceType = Literal["spherical", "diag", "full"]


class GaussianFamily(AtomFamily):
    """Gaussian atoms, which differ in the covariances that their shape can express."""

    @property
    @abstractmethod
    def covariance_type(self) -> CovarianceType:
        """What scikit-learn's `GaussianMixture` calls such covariances."""

    def covariances_of_type(self, parameters: np.ndarray) -> np.ndarray:
        """Covariances (k, d, d) if they are full; else their diagonals (k, d), which say it all."""
        if self.covariance_type == "full":
            return self.covariance_matrices(parameters)
        return self.covariances(parameters)
