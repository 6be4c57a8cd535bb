"""The errors that sketchlearn raises beyond Python's own; every one of them is a ValueError."""


class SketchMismatchError(ValueError):
    """Two sketches, or a sketch and an operator, do not belong together."""


class SketchFormatError(ValueError):
    """Bytes that should be a sketch or an operator are foreign, truncated, altered or too new."""


class ModelFormatError(ValueError):
    """Bytes that should be a fitted model are foreign, truncated, altered or too new."""


class EmptySketchError(ValueError):
    """A quantity was asked of a sketch that holds no rows."""


class SourceError(ValueError):
    """A file or another source of rows cannot be read, or does not hold what was asked of it."""
