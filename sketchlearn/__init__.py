"""Compressive learning: learn from a small exact sketch of the data instead of the data.

Data becomes a sketch in one pass; a sketch becomes a model without the data.
"""

from sketchlearn.decoders import count_clusters, synthesize
from sketchlearn.estimators import CompressiveGaussianMixture, CompressiveKMeans
from sketchlearn.exceptions import EmptySketchError, SketchFormatError, SketchMismatchError
from sketchlearn.sketching import Sketch, Sketcher

__version__ = "0.1.0"

__all__ = [
    "CompressiveGaussianMixture",
    "CompressiveKMeans",
    "EmptySketchError",
    "Sketch",
    "SketchFormatError",
    "SketchMismatchError",
    "Sketcher",
    "__version__",
    "count_clusters",
    "synthesize",
]
