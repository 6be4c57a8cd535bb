"""Rows to sketches: the sketcher, its pilot, and a pass over a source."""

from sketchlearn.sketching.checkpoint import Checkpoint
from sketchlearn.sketching.pilot import pilot_size
from sketchlearn.sketching.sketcher import Sketcher
from sketchlearn.sketching.tuning import n_principal

__all__ = ["Checkpoint", "Sketcher", "n_principal", "pilot_size"]
