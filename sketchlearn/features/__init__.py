"""What a frequency makes of a row: feature maps and how their sums are added up."""

from sketchlearn.features.accumulator import Accumulator
from sketchlearn.features.feature_map import FeatureMap
from sketchlearn.features.fourier import Waves
from sketchlearn.features.sign import Signs

__all__ = ["Accumulator", "FeatureMap", "Signs", "Waves"]
