"""Checks at public entry points: each says what was expected and what came."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, TypeVar

import numpy as np
from sklearn.utils import check_random_state

# Rows that are looked through at once for distinct ones.
DISTINCT_BLOCK = 1024
# Bytes.
GIB = 2.0**30
# Where randomness comes from.
RandomState = int | np.random.RandomState | np.random.Generator | None

T = TypeVar("T")


def draw_seed(random_state: Any) -> int:
    """Draw the one integer that all randomness of a call comes from.

    Parameters
    ----------
    random_state : None, int, numpy.random.RandomState or numpy.random.Generator
        An integer gives the same seed every time, a generator the next one it has; None is
        numpy's global state, as in scikit-learn.

    Raises
    ------
    TypeError
        If it is nothing of these.
    ValueError
        If it is an integer that is no seed of numpy's.
    """
    largest = np.iinfo(np.int32).max
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(largest))
    is_integer = isinstance(random_state, Integral) and not isinstance(random_state, bool)
    is_state = random_state is np.random or isinstance(random_state, np.random.RandomState)
    if not (random_state is None or is_integer or is_state):
        raise TypeError(
            "random_state must be None, an integer, or a RandomState or Generator of numpy.random, "
            f"got {random_state!r}"
        )
    if is_integer and not 0 <= random_state < 2**32:
        raise ValueError(f"random_state must be between 0 and 2**32 - 1, got {random_state}")
    return int(check_random_state(random_state).randint(largest))


def check_count(value: Any, name: str, least: int = 1) -> int:
    """Return an integer of at least `least`; TypeError or ValueError if it is none."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return int(value)


def _real(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a real number, got {value!r}")
    return float(value)


def check_positive(value: Any, name: str) -> float:
    """Return a positive finite float; TypeError or ValueError if it is none."""
    number = _real(value, name)
    if not (np.isfinite(number) and number > 0):
        raise ValueError(f"{name} must be positive and finite, got {value}")
    return number


def check_nonnegative(value: Any, name: str) -> float:
    """Return a finite float of at least zero; TypeError or ValueError if it is none."""
    number = _real(value, name)
    if not (np.isfinite(number) and number >= 0):
        raise ValueError(f"{name} must be finite and not negative, got {value}")
    return number


def check_numbers(values: Any, name: str) -> np.ndarray:
    """Return real numbers in float64, of any shape; TypeError if something else is among them.

    Text, dates, times, missing and masked values are no numbers, whatever numpy makes of them.
    """
    try:
        array = np.asanyarray(values)
        is_missing = np.ma.is_masked(array) or any(one is None for one in array.ravel().tolist())
        if array.dtype.kind not in "biufO" or is_missing:
            raise TypeError("not numbers")
        return np.array(array, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be numbers, got {values!r}") from None


def check_each(values: Any, kind: type[T], what: str) -> Iterator[T]:
    """Yield what an iterable holds; TypeError if it is none, or a mapping, or of another kind."""
    if isinstance(values, Mapping) or not isinstance(values, Iterable):
        remedy = ": pass its values()" if isinstance(values, Mapping) else ""
        raise TypeError(f"expected an iterable of {what}, got {type(values).__name__}{remedy}")
    for one in values:
        if not isinstance(one, kind):
            raise TypeError(f"expected {what}, got {type(one).__name__} among them")
        yield one


def check_row_count(n_rows: int, n_atoms: int) -> None:
    """Refuse, by a ValueError, fewer rows than clusters or components, as scikit-learn does."""
    if n_rows < n_atoms:
        raise ValueError(
            f"n_samples={n_rows} should be >= the number of clusters or components, {n_atoms}: "
            "there are too few rows"
        )


def count_distinct(X: np.ndarray, sample_weight: np.ndarray | None, n_wanted: int) -> int:
    """Count distinct rows of positive weight; no further than to `n_wanted`."""
    seen: set[bytes] = set()
    start, step = 0, min(4 * n_wanted, DISTINCT_BLOCK)  # Nearly always there are enough in these.
    while start < len(X):
        block = slice(start, start + step)
        start, step = start + step, DISTINCT_BLOCK
        rows = X[block] if sample_weight is None else X[block][sample_weight[block] > 0]
        # Adding zero turns -0.0 into 0.0, which has other bytes.
        whole = np.ascontiguousarray(rows + 0.0)
        seen.update(row.tobytes() for row in np.unique(whole, axis=0))
        if len(seen) >= n_wanted:
            break
    return len(seen)


def thread_count(n_jobs: Any) -> int:
    """Threads that `n_jobs` asks for: None is one, -1 all, -2 all but one, and so on; zero none."""
    if n_jobs is None:
        return 1
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, Integral):
        raise TypeError(f"n_jobs must be None or an integer, got {n_jobs!r}")
    n_threads = int(n_jobs)
    if n_threads == 0:
        raise ValueError("n_jobs must not be 0; None is one thread, -1 is all")
    if n_threads > 0:
        return n_threads
    if hasattr(os, "sched_getaffinity"):
        n_cpus = len(os.sched_getaffinity(0))
    else:
        n_cpus = os.cpu_count() or 1
    return max(1, n_cpus + 1 + n_threads)


def require_memory(n_bytes: float, what: str, remedy: str) -> None:
    """Refuse what this machine's memory cannot hold, before any of it is taken.

    Raises
    ------
    ValueError
        If so many bytes are more than there are.
    """
    limit = find_memory()
    if n_bytes > limit:
        raise ValueError(
            f"{what} would take {n_bytes / GIB:,.3g} GiB at least, and this machine has "
            f"{limit / GIB:,.3g} GiB of memory: {remedy}"
        )


def find_memory() -> float:
    """Return the bytes of memory of this machine; infinite where the system does not tell."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return float("inf")


def list_some(texts: Sequence[str], most: int) -> str:
    """Return the first of several texts for a message, and how many more there are."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more
