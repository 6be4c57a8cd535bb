"""Compressive learning: learn from a small exact sketch of the data instead of the data.

Data becomes a sketch in one pass; a sketch becomes a model without the data.
"""

from sketchlearn.decoders import count_clusters, synthesize
from sketchlearn.estimators import CompressiveGaussianMixture, CompressiveKMeans, load_model
from sketchlearn.exceptions import (
    EmptySketchError,
    ModelFormatError,
    SketchFormatError,
    SketchMismatchError,
    SourceError,
)
from sketchlearn.sketching import Checkpoint, Sketch, Sketcher, compare, open_source

__version__ = "0.1.0"

__all__ = [
    "Checkpoint",
    "CompressiveGaussianMixture",
    "CompressiveKMeans",
    "EmptySketchError",
    "ModelFormatError",
    "Sketch",
    "SketchFormatError",
    "SketchMismatchError",
    "Sketcher",
    "SourceError",
    "__version__",
    "compare",
    "count_clusters",
    "load_model",
    "open_source",
    "synthesize",
]
