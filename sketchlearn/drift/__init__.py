"""What two sketches, or many windows, tell of change: p-values, effect sizes, columns, places."""

from sketchlearn.drift.columns import ColumnChange
from sketchlearn.drift.comparison import Comparison, compare
from sketchlearn.drift.monitor import DriftMonitor, DriftReport
from sketchlearn.drift.witness import Witness

__all__ = [
    "ColumnChange",
    "Comparison",
    "DriftMonitor",
    "DriftReport",
    "Witness",
    "compare",
]
