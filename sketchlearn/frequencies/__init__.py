"""The operator Omega: how it is drawn, scaled, applied and identified."""

from sketchlearn.frequencies.domain import Domain
from sketchlearn.frequencies.operator import FrequencyOperator
from sketchlearn.frequencies.radius import (
    AdaptedRadius,
    FoldedGaussianRadius,
    GaussianRadius,
    RadiusLaw,
    resolve_radius_law,
)

__all__ = [
    "AdaptedRadius",
    "Domain",
    "FoldedGaussianRadius",
    "FrequencyOperator",
    "GaussianRadius",
    "RadiusLaw",
    "resolve_radius_law",
]
