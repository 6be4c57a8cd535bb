"""Rows to integer sums: chunks, threads and fixed-point weights."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np

from sketchlearn._validation import missing_remedy
from sketchlearn.features.accumulator import Accumulator
from sketchlearn.frequencies import FrequencyOperator

# Seconds after which an interrupt is noticed.
LONGEST_WAIT = 0.1

_NATIVE = (np.dtype(np.float32), np.dtype(np.float64))


class BadEntryError(ValueError):
    """An entry of X that cannot be sketched: what is wrong with it, where it is, and what helps."""

    def __init__(self, problem: str, row: int, column: int, advice: str = "") -> None:
        self.problem, self.row, self.column, self.advice = problem, row, column, advice
        self.is_finite = not problem.startswith(("NaN", "infinity"))
        remedy = advice if self.is_finite else f"; {missing_remedy()}"
        super().__init__(f"Input X contains {problem} at row {row}, column {column}{remedy}")


def added_features(
    operator: FrequencyOperator,
    X: np.ndarray,
    units: np.ndarray | None,
    n_threads: int,
    accumulators: list[Accumulator] | None = None,
) -> np.ndarray:
    """Sum rows' integer features, (2, m) int64; the same for any thread count.

    Accumulators are made as needed and put into the list, for whoever comes back with more rows.

    Raises
    ------
    BadEntryError
        If a row is not finite, or too far from the centre; nothing is counted then.
    """
    accumulators = [] if accumulators is None else accumulators
    if not accumulators:
        accumulators.append(operator.accumulator())
    first = accumulators[0]
    starts = range(0, len(X), first.chunk_size)
    n_threads = max(1, min(n_threads, len(starts)))
    chunks = itertools.count()
    stop = threading.Event()

    def work(accumulator: Accumulator) -> np.ndarray:
        sums = np.zeros((2, operator.n_frequencies), dtype=np.int64)
        try:
            # `next` on a shared count is atomic: every chunk goes to whichever thread is free.
            while not stop.is_set() and (i := next(chunks)) < len(starts):
                rows = slice(starts[i], starts[i] + accumulator.chunk_size)
                weights = None if units is None else units[rows]
                bad = accumulator.add(_native(X[rows]), weights, sums)
                if bad is not None:
                    raise bad_row(operator, X[starts[i] + bad], starts[i] + bad)
        except BaseException:
            stop.set()
            raise
        return sums

    if n_threads == 1:
        return work(first)
    while len(accumulators) < n_threads:
        accumulators.append(operator.accumulator())
    with ThreadPoolExecutor(n_threads) as pool:
        try:
            parts = [pool.submit(work, accumulator) for accumulator in accumulators[:n_threads]]
            # In short waits, since not every system wakes a waiting thread for an interrupt.
            while wait(parts, timeout=LONGEST_WAIT).not_done:
                pass
            return np.sum([part.result() for part in parts], axis=0)
        finally:
            # An interrupt reaches this waiting thread only: the workers then end their chunk.
            stop.set()


def _native(rows: np.ndarray) -> np.ndarray:
    """Rows in a type that the kernels read; a copy of one chunk at most."""
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
