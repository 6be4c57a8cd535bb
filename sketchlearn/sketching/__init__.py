"""Rows to sketches: the sketcher, the sketch and its bytes."""

from sketchlearn.sketching.calibration import calibrated_weights
from sketchlearn.sketching.pilot import pilot_size
from sketchlearn.sketching.sketch import Sketch
from sketchlearn.sketching.sketcher import Sketcher

__all__ = ["Sketch", "Sketcher", "calibrated_weights", "pilot_size"]
