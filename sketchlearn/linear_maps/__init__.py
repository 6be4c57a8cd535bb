"""The linear map x -> Omega^T x by itself: a matrix, or something faster that acts like one."""

from sketchlearn.linear_maps.butterfly import ButterflyMap
from sketchlearn.linear_maps.dense import DenseMap
from sketchlearn.linear_maps.linear_map import LinearMap, StretchedMap, TakenMap

__all__ = ["ButterflyMap", "DenseMap", "LinearMap", "StretchedMap", "TakenMap"]
