"""Rows from files, tables, arrays and streams, a chunk at a time."""

from sketchlearn.sources.arrays import ArrayPartition, MemoryPartition
from sketchlearn.sources.formats import register_format
from sketchlearn.sources.frames import readable_rows, rows_as_fitted
from sketchlearn.sources.opening import (
    Opener,
    is_source,
    open_source,
    register_opener,
    weight_column,
)
from sketchlearn.sources.sampling import spread_rows
from sketchlearn.sources.source import Chunk, Layout, Partition, Query, RowSource, Sampled
from sketchlearn.sources.stored_file import StoredFile
from sketchlearn.sources.streams import StreamPartition

__all__ = [
    "ArrayPartition",
    "Chunk",
    "Layout",
    "MemoryPartition",
    "Opener",
    "Partition",
    "Query",
    "RowSource",
    "Sampled",
    "StoredFile",
    "StreamPartition",
    "is_source",
    "open_source",
    "readable_rows",
    "register_format",
    "register_opener",
    "rows_as_fitted",
    "spread_rows",
    "weight_column",
]
