"""The sketch as a value: its sums, its bytes, and what two of them tell."""

from sketchlearn.sketches.calibration import calibrated_weights
from sketchlearn.sketches.comparison import Comparison, compare
from sketchlearn.sketches.sketch import Sketch

__all__ = ["Comparison", "Sketch", "calibrated_weights", "compare"]
