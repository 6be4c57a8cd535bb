"""Rows from files, tables, arrays and streams, a chunk at a time."""

from sketchlearn.sketching.sources.frames import readable_rows, rows_as_fitted
from sketchlearn.sketching.sources.opening import is_source, open_source, weight_column
from sketchlearn.sketching.sources.sampling import spread_rows
from sketchlearn.sketching.sources.source import Chunk, Layout, Part, RowSource

__all__ = [
    "Chunk",
    "Layout",
    "Part",
    "RowSource",
    "is_source",
    "open_source",
    "readable_rows",
    "rows_as_fitted",
    "spread_rows",
    "weight_column",
]
