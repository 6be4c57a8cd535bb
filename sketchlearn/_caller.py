"""Warnings that point at the user's own line."""

from __future__ import annotations

import inspect
import warnings

# Packages whose frames are not the user's: decorators of scikit-learn's lie between ours.
INNER = ("sketchlearn", "sklearn")


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn of the first line up the stack that is neither this library's nor scikit-learn's.

    How many frames are in between depends on the method, and on scikit-learn's version.
    """
    frame, level = inspect.currentframe(), 1
    while frame and str(frame.f_globals.get("__name__")).partition(".")[0] in INNER:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
