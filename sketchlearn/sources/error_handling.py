"""What to do about a partition of a source that cannot be read."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Literal

from sketchlearn.exceptions import SourceError

OnError = Literal["raise", "skip"] | Callable[[str, SourceError], None]
Handler = Callable[[str, SourceError], None]


def make_error_handler(on_error: OnError) -> Handler:
    """Return what is called with a partition's name and its error, and returns if it is left out.

    Raises
    ------
    ValueError
        If `on_error` is neither "raise" nor "skip" nor a callable.
    """

    def raised(name: str, error: SourceError) -> None:
        raise error

    def skipped(name: str, error: SourceError) -> None:
        warnings.warn(f"left out: {error}", UserWarning, stacklevel=2)

    if callable(on_error):
        return on_error
    handlers = {"raise": raised, "skip": skipped}
    if on_error not in handlers:
        raise ValueError(f'on_error must be "raise", "skip" or a callable, got {on_error!r}')
    return handlers[on_error]
