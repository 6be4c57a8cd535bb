"""Rows from files, tables, arrays and streams, a chunk at a time."""

from sketchlearn.sources.arrays import ArrayPartition, MemoryPartition
from sketchlearn.sources.formats import register_format
from sketchlearn.sources.frames import align_rows, make_readable
from sketchlearn.sources.opening import (
    Opener,
    is_source,
    open_source,
    register_opener,
    require_weight_column,
)
from sketchlearn.sources.sampling import draw_rows
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
    "align_rows",
    "draw_rows",
    "is_source",
    "make_readable",
    "open_source",
    "register_format",
    "register_opener",
    "require_weight_column",
]
