"""The sketch as a value: its sums, its bytes, and where its rows lie."""

from sketchlearn.sketches.calibration import calibrated_weights
from sketchlearn.sketches.region import Region
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketches.sketch_like import SketchLike
from sketchlearn.sketches.sums import Sums

__all__ = ["Region", "Sketch", "SketchLike", "Sums", "calibrated_weights"]
