"""Rows from files, tables, arrays and streams, a chunk at a time."""

from sketchlearn.sources.frames import readable_rows, rows_as_fitted
from sketchlearn.sources.opening import is_source, open_source, weight_column
from sketchlearn.sources.sampling import spread_rows
from sketchlearn.sources.source import Chunk, Layout, Part, RowSource

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
