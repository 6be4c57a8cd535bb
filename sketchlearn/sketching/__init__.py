"""Rows to sketches: the sketcher, its pilot, and a pass over a source."""

from sketchlearn.sketching.checkpoint import Checkpoint
from sketchlearn.sketching.moments_only import make_moment_sketcher
from sketchlearn.sketching.sketcher import Sketcher

__all__ = ["Checkpoint", "Sketcher", "make_moment_sketcher"]
