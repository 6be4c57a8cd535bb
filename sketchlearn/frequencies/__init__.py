"""The operator Omega: how it is drawn, scaled, applied and identified."""

from sketchlearn.frequencies.dense import DenseFrequencies
from sketchlearn.frequencies.operator import FrequencyOperator
from sketchlearn.frequencies.radius import (
    AdaptedRadius,
    FoldedGaussianRadius,
    GaussianRadius,
    RadiusLaw,
)

__all__ = [
    "AdaptedRadius",
    "DenseFrequencies",
    "FoldedGaussianRadius",
    "FrequencyOperator",
    "GaussianRadius",
    "RadiusLaw",
]
