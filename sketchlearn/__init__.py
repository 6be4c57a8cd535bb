"""Compressive learning: learn from a small exact sketch instead of the data."""

__version__ = "0.1.0"

__all__ = ["__version__"]
