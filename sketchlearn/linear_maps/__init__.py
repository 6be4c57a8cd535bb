"""The linear map x -> Omega^T x by itself: a matrix, or something faster that acts like one."""

from typing import TYPE_CHECKING, Any

from sketchlearn.linear_maps.dense import DenseMap
from sketchlearn.linear_maps.linear_map import LinearMap, StretchedMap, TakenMap

if TYPE_CHECKING:
    from sketchlearn.linear_maps.butterfly import ButterflyMap
    from sketchlearn.linear_maps.hadamard import HadamardMap

__all__ = ["ButterflyMap", "DenseMap", "HadamardMap", "LinearMap", "StretchedMap", "TakenMap"]

ELSEWHERE = {"ButterflyMap": "butterfly", "HadamardMap": "fast"}


def __getattr__(name: str) -> Any:
    """Import a map that needs more than numpy when it is first asked for."""
    if name in ELSEWHERE:
        return LinearMap.of_kind(ELSEWHERE[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
