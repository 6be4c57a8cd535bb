"""Sketches by key: the value, and its columns for Arrow, Parquet and SQL."""

from sketchlearn.tables.table import SketchTable

__all__ = ["SketchTable"]
