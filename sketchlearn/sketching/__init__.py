"""Rows to sketches: the sketcher, the sketch and its bytes."""

from sketchlearn.sketching.calibration import calibrated_weights
from sketchlearn.sketching.checkpoint import Checkpoint
from sketchlearn.sketching.choice import n_principal
from sketchlearn.sketching.comparison import Comparison, compare
from sketchlearn.sketching.pilot import pilot_size
from sketchlearn.sketching.sketch import Sketch
from sketchlearn.sketching.sketcher import Sketcher
from sketchlearn.sketching.sources import RowSource, open_source

__all__ = [
    "Checkpoint",
    "Comparison",
    "RowSource",
    "Sketch",
    "Sketcher",
    "calibrated_weights",
    "compare",
    "n_principal",
    "open_source",
    "pilot_size",
]
