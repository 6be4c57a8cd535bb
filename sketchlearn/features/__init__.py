"""What a frequency makes of a row: feature maps and how their sums are added up."""

from sketchlearn.features.accumulator import Accumulator

__all__ = ["Accumulator"]
