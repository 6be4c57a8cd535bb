"""Pictures, after scikit-learn's displays: of clusters, sketches, drift, fronts and supports.

Each display has class methods that compute what is drawn and draw it, as `from_estimator` or
`from_sketch`; `plot` draws it again. What was drawn on is in ``ax_`` and ``figure_``. matplotlib
comes with the extra ``plot``, and is imported when something is drawn.
"""

from sketchlearn.plotting.cluster_count import NumberOfClustersDisplay
from sketchlearn.plotting.clusters import ClustersDisplay
from sketchlearn.plotting.drift import DriftDisplay
from sketchlearn.plotting.front import FrontDisplay
from sketchlearn.plotting.monitor import MonitorDisplay
from sketchlearn.plotting.supports import SupportsDisplay
from sketchlearn.plotting.waves import SketchDisplay

__all__ = [
    "ClustersDisplay",
    "DriftDisplay",
    "FrontDisplay",
    "MonitorDisplay",
    "NumberOfClustersDisplay",
    "SketchDisplay",
    "SupportsDisplay",
]
