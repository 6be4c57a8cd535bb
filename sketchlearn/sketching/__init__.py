"""Rows to sketches: the sketcher, its pilot, and a pass over a source."""

from sketchlearn.sketching.checkpoint import Checkpoint
from sketchlearn.sketching.sketcher import Sketcher

__all__ = ["Checkpoint", "Sketcher"]
