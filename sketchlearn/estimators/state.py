"""Estimators that are as they were when a method fails."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

Params = ParamSpec("Params")
Self = TypeVar("Self")
Result = TypeVar("Result")


def all_or_nothing(
    method: Callable[Concatenate[Self, Params], Result],
) -> Callable[Concatenate[Self, Params], Result]:
    """Undo what a method set if it raises, so that an earlier fit outlives a failed one.

    The attributes are put back, not copies of them: a method must replace what it changes.
    """

    @wraps(method)
    def undone_on_error(self: Self, *args: Params.args, **kwargs: Params.kwargs) -> Result:
        before = dict(self.__dict__)
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    return undone_on_error
