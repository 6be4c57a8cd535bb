"""One thread for BLAS and OpenMP, where results must not depend on how many there are."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, Self, TypeVar

from threadpoolctl import ThreadpoolController

P = ParamSpec("P")
T = TypeVar("T")

_lock = threading.Lock()
# Who needs BLAS on one thread, and what to restore when nobody does.
_holders: set[OneThread] = set()
_found: list[tuple[Any, int]] = []


class OneThread:
    """Keep BLAS, and OpenMP if asked, on one thread within a with statement.

    BLAS has one number of threads for the whole process. It is set by each who comes in, and
    restored when the last one leaves: limits that set and restore by themselves, in several
    threads, would lift each other's, and restore what another one set. OpenMP has a number for
    each thread. Instances may be nested, in any thread, each used once. An interrupt at any point
    leaves the numbers as they were.

    Parameters
    ----------
    openmp : bool, default=True
        Whether this thread's OpenMP is limited too.

    Examples
    --------
    >>> from sketchlearn._threads import OneThread
    >>> with OneThread():
    ...     pass
    """

    def __init__(self, *, openmp: bool = True) -> None:
        self._libraries = _libraries("openmp") if openmp else ()
        self._openmp_found: list[tuple[Any, int]] = []

    def __enter__(self) -> Self:
        try:
            self._openmp_found = [(library, library.num_threads) for library in self._libraries]
            for library in self._libraries:
                _set(library, 1)
            with _lock:
                _holders.add(self)
                if not _found:
                    _found.extend(
                        [(library, library.num_threads) for library in _libraries("blas")]
                    )
                for library, _ in _found:
                    _set(library, 1)
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._release()
        except BaseException:
            # Interrupted in the midst of it: nothing is lost by doing it again.
            self._release()
            raise

    def _release(self) -> None:
        """Restore this thread's OpenMP, and BLAS if nobody else needs it on one thread."""
        with _lock:
            _holders.discard(self)
            if not _holders:
                for library, n_threads in _found:
                    # Another number was set by somebody else meanwhile, who may have found ours.
                    if library.num_threads == 1:
                        _set(library, n_threads)
                _found.clear()
        for library, n_threads in self._openmp_found:
            _set(library, n_threads)


def on_one_blas_thread(function: Callable[P, T]) -> Callable[P, T]:
    """Return the function, wrapped so that BLAS is on one thread while it runs."""

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> T:
        with OneThread(openmp=False):
            return function(*args, **kwargs)

    return limited


def _set(library: Any, n_threads: int) -> None:
    """Set a library's number of threads, whoever set it last.

    From version 3.8 on, threadpoolctl lets one Python thread at a time set OpenBLAS and ignores
    the others; here the lock says whose turn it is.
    """
    hand_over = getattr(library, "clear_controlling_thread", lambda *, force: None)
    hand_over(force=True)
    library.set_num_threads(n_threads)
    hand_over(force=True)


@cache
def _libraries(user_api: str) -> tuple[Any, ...]:
    """Return the controllers of the loaded libraries; looked for once, which takes milliseconds."""
    return tuple(ThreadpoolController().select(user_api=user_api).lib_controllers)
