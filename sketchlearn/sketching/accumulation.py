"""Rows to integer sums, and what is wrong with a row that cannot be added."""

from __future__ import annotations

import numpy as np

from sketchlearn.features.accumulator import Accumulator
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketches.fixed_point import LARGEST_TOTAL_UNITS, WEIGHT_UNIT, sum_with_squares
from sketchlearn.sketches.sums import Sums
from sketchlearn.sources.faithful import advise_on_missing

_NATIVE = (np.dtype(np.float32), np.dtype(np.float64))


class BadEntryError(ValueError):
    """An entry of X that cannot be sketched: what is wrong with it, where it is, and what helps."""

    def __init__(self, problem: str, row: int, column: int, advice: str = "") -> None:
        self.problem, self.row, self.column, self.advice = problem, row, column, advice
        self.is_finite = not problem.startswith(("NaN", "infinity"))
        remedy = advice if self.is_finite else f"; {advise_on_missing()}"
        super().__init__(f"Input X contains {problem} at row {row}, column {column}{remedy}")


def sum_rows(
    operator: FrequencyOperator,
    accumulator: Accumulator,
    rows: np.ndarray,
    weights: np.ndarray | None,
) -> Sums:
    """Add the features of rows, in this thread.

    Parameters
    ----------
    operator : FrequencyOperator
        What the rows are projected with.
    accumulator : Accumulator
        One of the operator's; this thread's own.
    rows : ndarray of shape (n, n_features)
        Of any real type and layout, read where they lie.
    weights : ndarray of shape (n,) int64, optional
        Fixed-point weights, multiples of 2^-20.

    Raises
    ------
    BadEntryError
        If a row is not finite, or too far from the centre.
    ValueError
        If the total weight is 2^40 or more.
    """
    n, total, square = len(rows), len(rows) << 20, len(rows) << 40
    if weights is not None:
        n = int(np.count_nonzero(weights))
        total, square = sum_with_squares(weights)
    if total >= LARGEST_TOTAL_UNITS:
        raise ValueError(
            f"the total weight must stay below 2**40, got {total * WEIGHT_UNIT:.6g}; divide all "
            "weights by a constant"
        )
    added = np.zeros((2, operator.n_frequencies), dtype=np.int64)
    for start in range(0, len(rows), accumulator.chunk_size):
        some = slice(start, start + accumulator.chunk_size)
        own = None if weights is None else weights[some]
        bad = accumulator.add(_native(rows[some]), own, added)
        if bad is not None:
            raise bad_row(operator, rows[start + bad], start + bad)
    return Sums(operator.features.feature_sum(added, total), n, total, square)


def _native(rows: np.ndarray) -> np.ndarray:
    """Return rows in a type that the kernels read; a copy of one accumulator's at most."""
    if rows.dtype in _NATIVE and rows.dtype.isnative:
        return rows
    return rows.astype(np.float64)


def bad_row(operator: FrequencyOperator, row: np.ndarray, at: int) -> BadEntryError:
    """Say which entry is not finite, or takes the row too far from the centre."""
    row = row.astype(np.float64)
    bad = ~np.isfinite(row)
    if bad.any():
        j = int(bad.argmax())
        what = "NaN" if np.isnan(row[j]) else "infinity"
        return BadEntryError(f"{what} (NaN and infinity cannot be sketched)", at, j)
    reach = operator.linear_map.root_mean_squares
    # Halves, lest the difference overflows.
    j = int((np.abs(0.5 * row - 0.5 * operator.center) * (reach / reach.max())).argmax())
    problem = f"a value too large for this operator's frequencies: {row[j]:.3g}"
    advice = (
        f". So far from the centre, {operator.center[j]:.3g}, even float64 cannot tell how far its "
        "waves have turned: leave the row out, or fit the sketcher on data of that size"
    )
    return BadEntryError(problem, at, j, advice)
