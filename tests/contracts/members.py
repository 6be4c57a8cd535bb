"""One member of each registered kind, drawn at random."""

import numpy as np

import tests.extensions.feature_map
import tests.extensions.linear_map
from sketchlearn.features import FeatureMap
from sketchlearn.frequencies import Domain, FrequencyOperator
from sketchlearn.linear_maps import LinearMap, StretchedMap, TakenMap

OUTSIDE = (tests.extensions.linear_map.CirculantMap, tests.extensions.feature_map.CoarseWaves)
MAP_KINDS = sorted(LinearMap.kinds())
FEATURE_KINDS = sorted(FeatureMap.kinds())


def drawn_map(kind, d=5, m=12, seed=0, length=0.2):
    """A linear map of a kind; those that stand before another stand before a circulant one."""
    rng = np.random.default_rng(seed)
    if kind == "stretched":
        return StretchedMap(drawn_map("circulant", d, m, seed), 2.0 ** rng.integers(-2, 3, size=d))
    if kind == "taken":
        return TakenMap(drawn_map("circulant", d, m + 3, seed), rng.permutation(m + 3)[:m])
    return LinearMap.of_kind(kind).draw(length * np.sqrt(rng.chisquare(d, size=m)), d, rng)


def operator(map_kind="dense", features_kind="waves", d=5, m=12, seed=0, **others):
    """An operator of two kinds, around a centre other than zero."""
    linear_map = drawn_map(map_kind, d, m, seed)
    features = FeatureMap.of_kind(features_kind).draw(m, np.random.default_rng(seed))
    domain = Domain(np.arange(d) / d, 1.0, np.eye(d), -np.ones(d), 2 * np.ones(d))
    return FrequencyOperator(linear_map, domain, features, **others)
