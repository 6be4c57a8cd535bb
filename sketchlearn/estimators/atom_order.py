"""The order of a mixture's atoms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from sketchlearn.decoders import Mixture


def reorder_atoms(mixture: Mixture, locations: np.ndarray) -> Mixture:
    """Put a mixture's atoms in the order of locations (k, d) that they are nearest to."""
    _, order = linear_sum_assignment(cdist(locations, mixture.locations, "sqeuclidean"))
    return replace(mixture, weights=mixture.weights[order], parameters=mixture.parameters[order])
