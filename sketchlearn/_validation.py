"""Checks of the public doors: each says what was expected and what came."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

# Rows that are looked through at once for distinct ones.
DISTINCT_BLOCK = 1024
# Where randomness comes from.
RandomState = int | np.random.RandomState | np.random.Generator | None


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


def columns_as_fitted(X: Any, names: Any) -> Any:
    """Choose a frame's columns by the names that were fitted, in their order.

    Columns of other names are left out. What has no named columns, or lacks one, comes back as it
    is: scikit-learn's validation refuses the latter, and says which are missing.

    Parameters
    ----------
    X : object
        What rows came as; a data frame has ``columns`` and gives some of them when indexed.
    names : sequence of str, optional
        The features that were fitted; None where they had no names.

    Raises
    ------
    ValueError
        If a name that was fitted is that of more than one column.
    """
    columns = getattr(X, "columns", None)
    if names is None or columns is None:
        return X
    present, wanted = list(columns), list(names)
    if present == wanted or not set(wanted) <= set(present):
        return X
    doubled = sorted({name for name in wanted if present.count(name) > 1})
    if doubled:
        raise ValueError(f"X has more than one column called {', '.join(map(repr, doubled))}")
    return X[wanted]


# Up to here float64 holds every integer.
LARGEST_INTEGER = 2**53


def check_count(value: Any, name: str, least: int = 1) -> int:
    """Return an integer of at least `least`.

    Raises
    ------
    TypeError
        If it is no integer.
    ValueError
        If it is too small.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return int(value)


def _real(value: Any, name: str) -> float:
    """Return a float, or a TypeError where it is no real number."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a real number, got {value!r}")
    return float(value)


def check_positive(value: Any, name: str) -> float:
    """Return a positive finite float.

    Raises
    ------
    TypeError
        If it is no real number.
    ValueError
        If it is not positive and finite.
    """
    number = _real(value, name)
    if not (np.isfinite(number) and number > 0):
        raise ValueError(f"{name} must be positive and finite, got {value}")
    return number


def check_nonnegative(value: Any, name: str) -> float:
    """Return a finite float of at least zero.

    Raises
    ------
    TypeError
        If it is no real number.
    ValueError
        If it is negative or not finite.
    """
    number = _real(value, name)
    if not (np.isfinite(number) and number >= 0):
        raise ValueError(f"{name} must be finite and not negative, got {value}")
    return number


def check_sample_weight(sample_weight: Any, n_samples: int) -> np.ndarray | None:
    """Return float64 weights (n_samples,), or None where None came.

    A single number is every row's weight. Weights of zero leave their rows out.

    Raises
    ------
    TypeError
        If they are a column's name, or no real numbers.
    ValueError
        If the length is wrong, a weight is negative, NaN or infinite, or all are zero.
    """
    if sample_weight is None:
        return None
    if isinstance(sample_weight, str):
        raise TypeError(
            f"sample_weight is a column's name, {sample_weight!r}, which a file, an Arrow table or "
            "another source of rows can have; of rows in memory give the weights themselves, and "
            "leave their column out of X, or give open_source(X, weight=...) as X"
        )
    require_no_mask(sample_weight, "sample_weight")
    require_real(np.asarray(sample_weight), "sample_weight")
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.ndim == 0:
        weights = np.full(n_samples, float(weights))
    if weights.shape != (n_samples,):
        raise ValueError(
            f"sample_weight must have shape ({n_samples},), one weight a row, got {weights.shape}"
        )
    require_weights(weights)
    if n_samples and not weights.any():
        raise ValueError("sample_weight must have a positive entry, got only zeros")
    return weights


def require_weights(weights: np.ndarray) -> None:
    """Refuse what is no weight; some of many weights may well be zero, all of them.

    Raises
    ------
    ValueError
        If one is negative, NaN or infinite.
    """
    if not np.isfinite(weights).all():
        raise ValueError("sample_weight must be finite, got NaN or infinity")
    if weights.min(initial=0.0) < 0:
        raise ValueError(f"sample_weight must not be negative, got {weights.min()}")


def check_row_count(n_rows: int, n_atoms: int) -> None:
    """Refuse fewer rows than clusters or components, as scikit-learn does.

    Raises
    ------
    ValueError
        If there are fewer.
    """
    if n_rows < n_atoms:
        raise ValueError(
            f"n_samples={n_rows} should be >= the number of clusters or components, {n_atoms}: "
            "there are too few rows"
        )


def count_distinct(X: np.ndarray, sample_weight: np.ndarray | None, n_wanted: int) -> int:
    """Count distinct rows of positive weight; no further than to `n_wanted`."""
    seen: set[bytes] = set()
    for start in range(0, len(X), DISTINCT_BLOCK):
        block = slice(start, start + DISTINCT_BLOCK)
        rows = X[block] if sample_weight is None else X[block][sample_weight[block] > 0]
        # Adding zero turns -0.0 into 0.0, which has other bytes.
        whole = np.ascontiguousarray(rows + 0.0)
        seen.update(row.tobytes() for row in np.unique(whole, axis=0))
        if len(seen) >= n_wanted:
            break
    return len(seen)


def require_exact_integers(values: np.ndarray, place: Callable[[int], str]) -> None:
    """Refuse integers above 2^53 in size, which float64 does not tell from their neighbours.

    Parameters
    ----------
    values : ndarray
        Numbers of any type.
    place : callable
        Names the entry of an index, counted in C order, for the message.

    Raises
    ------
    ValueError
        If there is one.
    """
    if values.dtype.kind not in "iu" or values.dtype.itemsize < 8 or values.size == 0:
        return
    if values.max() <= LARGEST_INTEGER and values.min() >= -LARGEST_INTEGER:
        return
    bad = (values > LARGEST_INTEGER) | (values < -LARGEST_INTEGER)
    i = int(bad.argmax())
    raise ValueError(_inexact(place(i), values.flat[i]))


def _inexact(place: str, value: Any) -> str:
    """Say what is wrong with a large integer."""
    return (
        f"{place} holds {value}: integers above 2**53 are alike in float64; leave such a column "
        "out, or subtract a constant"
    )


def require_real(values: np.ndarray, name: str) -> None:
    """Refuse text, dates, times and complex numbers, in arrays of objects too.

    Missing values are let through: they become NaN.

    Raises
    ------
    TypeError
        If there is one.
    """
    found: Any = None
    if values.dtype == object:
        found = next((type(v).__name__ for v in values.flat if _is_no_number(v)), None)
    elif values.dtype.kind not in "biuf":
        found = values.dtype
    if found is not None:
        raise TypeError(f"{name} must hold real numbers, got {found}")


def _is_no_number(value: Any) -> bool:
    """Whether a value is of a type that means something else; numpy's durations pass for `Real`."""
    if isinstance(value, np.generic):
        return value.dtype.kind not in "biuf"
    others = (str, bytes, complex, datetime.date, datetime.time, datetime.timedelta)
    return isinstance(value, others)


def require_exact_objects(values: np.ndarray, place: Callable[[int], str]) -> None:
    """Do as `require_exact_integers` for an array of objects, whole decimals among them.

    Raises
    ------
    ValueError
        If there is one.
    """
    for i, value in enumerate(values.flat):
        is_decimal = isinstance(value, Decimal) and value.is_finite()
        is_whole = isinstance(value, Integral) or (is_decimal and value % 1 == 0)
        if is_whole and abs(int(value)) > LARGEST_INTEGER:
            raise ValueError(_inexact(place(i), value))


def require_exact_list(rows: Any, array: np.ndarray, place: Callable[[int], str]) -> None:
    """Refuse integers in lists that became fractions, beside other fractions, in an array.

    Parameters
    ----------
    rows : list or tuple
        The lists.
    array : ndarray
        What numpy made of them.
    place : callable
        As of `require_exact_integers`.

    Raises
    ------
    ValueError
        If there is one that float64 does not hold.
    """
    if array.dtype.kind == "f" and (np.abs(array) >= LARGEST_INTEGER).any():
        require_exact_objects(np.array(rows, dtype=object), place)


def missing_remedy(condition: str | None = None) -> str:
    """Say what to do about missing values.

    Parameters
    ----------
    condition : str, optional
        The filter of pyarrow that keeps the other rows; None where there is none to filter by.
    """
    how = "" if condition is None else f" by filter={condition}"
    imputer = "sklearn.impute.SimpleImputer"
    return f"leave such rows out{how}, or fill them in, for instance with {imputer}"


def require_no_mask(X: Any, name: str) -> None:
    """Refuse a masked array with masked entries, which stand for no value.

    Raises
    ------
    ValueError
        If there is one.
    """
    if not np.ma.isMaskedArray(X) or not np.ma.getmaskarray(X).any():
        return
    place = np.argwhere(np.ma.getmaskarray(X))[0]
    where = ", ".join(f"{what} {i}" for what, i in zip(("row", "column"), place, strict=False))
    raise ValueError(
        f"{name} has no value (masked) in {where}; leave such rows out, or fill them in, for "
        "instance with sklearn.impute.SimpleImputer on its filled(numpy.nan)"
    )


def thread_count(n_jobs: Any) -> int:
    """Threads that `n_jobs` asks for: None is one, -1 all, -2 all but one, and so on.

    Raises
    ------
    TypeError
        If it is neither None nor an integer.
    ValueError
        If it is zero.
    """
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


def divide_weights(weights: Any, n_samples: int, exponent: int) -> np.ndarray | None:
    """Divide weights, ones where there are none, by two to a power; as they are if it is zero."""
    if exponent == 0:
        return weights
    weights = np.ones(n_samples) if weights is None else np.asarray(weights, dtype=np.float64)
    return np.asarray(np.ldexp(weights, -exponent))
