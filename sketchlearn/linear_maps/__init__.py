"""The linear map x -> Omega^T x by itself: a matrix, or something faster that acts like one."""

from typing import TYPE_CHECKING, Any

from sketchlearn.linear_maps.dense import DenseMap
from sketchlearn.linear_maps.linear_map import LinearMap, StretchedMap, TakenMap

if TYPE_CHECKING:
    from sketchlearn.linear_maps.butterfly import ButterflyMap

__all__ = ["ButterflyMap", "DenseMap", "LinearMap", "StretchedMap", "TakenMap"]


def __getattr__(name: str) -> Any:
    """Import the map of butterflies, and factorization with it, when it is first asked for."""
    if name == "ButterflyMap":
        return LinearMap.of_kind("butterfly")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
