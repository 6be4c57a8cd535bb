"""What adds rows up: fast ways for some pairs of maps, and one for all others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sketchlearn.features.accumulator import Accumulator
from sketchlearn.features.backends.dense_waves import DenseAccumulator, dense_signs, dense_waves
from sketchlearn.features.backends.fast_waves import (
    FastAccumulator,
    fast_signs,
    fast_waves,
    stretched_features,
)
from sketchlearn.features.backends.generic import GenericAccumulator
from sketchlearn.features.feature_map import FeatureMap
from sketchlearn.linear_maps import LinearMap

# Of a linear map, a feature map, the centre, and whether all phases are to be float64.
Maker = Callable[[LinearMap, FeatureMap, np.ndarray, bool], Accumulator]

# By feature map's kind, linear map's kind, and backend. `GenericAccumulator` serves all others.
ACCUMULATORS: dict[tuple[str, str, str], Maker] = {
    ("waves", "dense", "numba"): dense_waves,
    ("waves", "fast", "numba"): fast_waves,
    ("waves", "stretched", "numba"): stretched_features,
    ("signs", "dense", "numba"): dense_signs,
    ("signs", "fast", "numba"): fast_signs,
    ("signs", "stretched", "numba"): stretched_features,
}


def backends() -> list[str]:
    """Return the names of all backends; "numpy" has the one way that suits all maps."""
    return sorted({"numpy"} | {backend for _, _, backend in ACCUMULATORS})


def check_backend(backend: str) -> None:
    """Refuse a name that no backend has.

    Raises
    ------
    ValueError
        If it is none of `backends`.
    """
    if backend not in backends():
        known = ", ".join(map(repr, backends()))
        raise ValueError(f"backend must be one of {known}, got {backend!r}")


def accumulator_of(
    linear_map: LinearMap,
    features: FeatureMap,
    center: np.ndarray,
    double_phases: bool,
    backend: str,
) -> Accumulator:
    """Return a fresh accumulator, for one thread: the backend's own for these maps, or numpy's."""
    maker = ACCUMULATORS.get((features.kind, linear_map.kind, backend), GenericAccumulator)
    return maker(linear_map, features, center, double_phases)


__all__ = [
    "ACCUMULATORS",
    "DenseAccumulator",
    "FastAccumulator",
    "GenericAccumulator",
    "accumulator_of",
    "backends",
    "check_backend",
]
