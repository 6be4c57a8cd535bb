"""Compressive learning: learn from a small exact sketch of the data instead of the data.

Data becomes a sketch in one pass; a sketch becomes a model without the data.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sketchlearn.drift import DriftMonitor, compare
    from sketchlearn.estimators import (
        CompressiveClassifier,
        CompressiveGaussianMixture,
        CompressiveKMeans,
        CompressivePCA,
        load_model,
    )
    from sketchlearn.exceptions import (
        EmptySketchError,
        ModelFormatError,
        SketchFormatError,
        SketchMismatchError,
        SourceError,
    )
    from sketchlearn.model_selection import count_clusters
    from sketchlearn.planning import Plan, plan
    from sketchlearn.sketches import Sketch
    from sketchlearn.sketching import Checkpoint, Sketcher
    from sketchlearn.sources import open_source
    from sketchlearn.synthesis import synthesize
    from sketchlearn.tables import SketchTable

__version__ = "0.1.0"

__all__ = [
    "Checkpoint",
    "CompressiveClassifier",
    "CompressiveGaussianMixture",
    "CompressiveKMeans",
    "CompressivePCA",
    "DriftMonitor",
    "EmptySketchError",
    "ModelFormatError",
    "Plan",
    "Sketch",
    "SketchFormatError",
    "SketchMismatchError",
    "SketchTable",
    "Sketcher",
    "SourceError",
    "__version__",
    "compare",
    "count_clusters",
    "load_model",
    "open_source",
    "plan",
    "synthesize",
]

# Folders whose public names these are. They are imported when a name is first asked for, so that
# the command line can answer an interrupt from its first moment on.
_FOLDERS = (
    *("exceptions", "sources", "frequencies", "features", "sketches", "tables", "sketching"),
    *("atoms", "privacy", "multivariate", "decoders", "model_selection", "synthesis", "drift"),
    *("planning", "estimators", "plotting", "reports"),
)


def __getattr__(name: str) -> Any:
    """Import a public name, or one of the folders, when it is first asked for."""
    if name in _FOLDERS:
        return importlib.import_module(f"{__name__}.{name}")
    if name in __all__:
        for folder in _FOLDERS:
            module = importlib.import_module(f"{__name__}.{folder}")
            if hasattr(module, name):
                globals()[name] = found = getattr(module, name)
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Name what is public."""
    return sorted({*globals(), *__all__, *_FOLDERS})
