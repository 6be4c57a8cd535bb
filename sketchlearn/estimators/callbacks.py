"""scikit-learn's callbacks: a fit told as tasks, to whoever was set to hear of it.

They came with scikit-learn 1.9 (``sklearn.callback``). Below, estimators have no `set_callbacks`,
and tasks are told to nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing: there are no callbacks."""

    def with_callbacks(method: Any) -> Any:
        """Return the method as it is."""
        return method


Params = ParamSpec("Params")
Result = TypeVar("Result")
Teller = TypeVar("Teller", bound="CallbackTeller")


class CallbackTeller(CallbackSupportMixin):
    """Tell scikit-learn's callbacks of a fit and of its parts.

    A fit is the task "fit", "fit_sketch" or "fit_sketches"; of clusters and mixtures its parts are
    the tasks "sketch" and "decode". `on_progress` tells how far a decode is.
    """

    _fit_context: Any = None

    @contextmanager
    def _subtask(self, name: str) -> Iterator[None]:
        """Tell of a part of the fit; of nothing where none is told of, as in `partial_fit`."""
        if self._fit_context is None:
            yield
            return
        context = self._fit_context.subcontext(task_name=name)
        context.call_on_fit_task_begin(estimator=self)
        yield
        context.call_on_fit_task_end(estimator=self)


def tell_callbacks(
    n_subtasks: int = 0,
) -> Callable[
    [Callable[Concatenate[Teller, Params], Result]], Callable[Concatenate[Teller, Params], Result]
]:
    """Tell callbacks of the method that is decorated, a fit in so many parts.

    The model that it leaves is given to them, and X and y where it takes rows. What they raise
    goes to the caller, the estimator left as it was.
    """

    def decorate(
        method: Callable[Concatenate[Teller, Params], Result],
    ) -> Callable[Concatenate[Teller, Params], Result]:
        if CallbackSupportMixin.__module__ == __name__:
            return method
        name = method.__name__
        of_rows = ("X", "y") if name == "fit" else ()

        @with_callbacks
        @wraps(method)
        def telling(self: Teller, *args: Params.args, **kwargs: Params.kwargs) -> Result:
            context = self._init_callback_context(task_name=name, max_subtasks=n_subtasks)
            data = dict(zip(of_rows, args, strict=False))
            data |= {key: kwargs[key] for key in of_rows if key in kwargs}
            context.call_on_fit_task_begin(estimator=self, **data)
            self._fit_context = context
            try:
                result = method(self, *args, **kwargs)
            finally:
                del self._fit_context
            context.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **data)
            return result

        return telling

    return decorate
