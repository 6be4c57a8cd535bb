"""Rows from files, tables, arrays and streams, a chunk at a time."""

from sketchlearn.sources.arrays import ArrayPartition, MemoryPartition
from sketchlearn.sources.formats import register_format
from sketchlearn.sources.opening import Opener, open_source, register_opener
from sketchlearn.sources.source import Chunk, Layout, Partition, Query, RowSource, Sampled
from sketchlearn.sources.stored_file import StoredFile

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
    "open_source",
    "register_format",
    "register_opener",
]
