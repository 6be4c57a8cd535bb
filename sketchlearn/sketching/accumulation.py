"""Rows to integer sums, and what is wrong with a row that cannot be added."""

from __future__ import annotations

import numpy as np

from sketchlearn._kernels._policy import BLOCK
from sketchlearn.features.moment_accumulator import MomentAccumulator
from sketchlearn.features.moments import MomentGrid, MomentSums
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketches.fixed_point import LARGEST_TOTAL_UNITS, WEIGHT_UNIT, sum_with_squares
from sketchlearn.sketches.sums import Sums
from sketchlearn.sketching.cutting import Cutter
from sketchlearn.sources.exact_values import advise_on_missing

_NATIVE = (np.dtype(np.float32), np.dtype(np.float64))


class BadEntryError(ValueError):
    """An entry of X that cannot be sketched: what is wrong with it, where it is, and what helps."""

    def __init__(self, problem: str, row: int, column: int, advice: str = "") -> None:
        self.problem, self.row, self.column, self.advice = problem, row, column, advice
        self.is_finite = not problem.startswith(("NaN", "infinity"))
        remedy = advice if self.is_finite else f"; {advise_on_missing()}"
        super().__init__(f"Input X contains {problem} at row {row}, column {column}{remedy}")


class RowSummer:
    """One thread's way from rows to sums; holds scratch memory, hence not shared.

    Parameters
    ----------
    operator : FrequencyOperator
        What the rows are projected with.
    empty : Sums
        The sums of no rows; where these have moments, such are summed beside the features.
    """

    def __init__(self, operator: FrequencyOperator, empty: Sums) -> None:
        self._operator, self._accumulator, self._empty = operator, operator.accumulator(), empty
        self._cutter = Cutter(operator.domain)
        self._moments = (
            None
            if empty.moments is None
            else MomentAccumulator(operator.moment_grid, empty.moments.kind)
        )

    @property
    def n_cut(self) -> np.ndarray:
        """How many numbers of each column were moved into the box so far, (n_features,)."""
        return self._cutter.n_cut

    def sum(self, rows: np.ndarray, weights: np.ndarray | None) -> Sums:
        """Return the sums of rows.

        Parameters
        ----------
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
                f"the total weight must stay below 2**40, got {total * WEIGHT_UNIT:.6g}; divide "
                "all weights by a constant"
            )
        operator, moments = self._operator, self._empty.moments
        added = np.zeros_like(self._empty.feature_sum)
        words = np.empty(0) if moments is None else moments.words.copy()
        # Moments take as long of a few rows as of a block, features of wide rows a few at a time.
        n_at_once = max(self._accumulator.chunk_size, 0 if moments is None else BLOCK)
        for start in range(0, len(rows), n_at_once):
            some = slice(start, start + n_at_once)
            own = None if weights is None else weights[some]
            piece = self._cutter.cut(_to_native_floats(rows[some]))
            bad = self._accumulator.add_all(piece, own, added)
            if bad is not None:
                require_nameable(operator)
                raise describe_bad_row(operator, rows[start + bad], start + bad)
            if self._moments is not None:
                bad = self._moments.add(piece, own, words)
                if bad is not None:
                    require_nameable(operator)
                    grid = operator.moment_grid
                    raise describe_far_row(grid, rows[start + bad], start + bad)
        if moments is not None:
            moments = MomentSums(moments.kind, moments.n_features, words)
        return Sums(operator.features.feature_sum(added, total), n, total, square, moments=moments)


def require_nameable(operator: FrequencyOperator) -> None:
    """Refuse to say which row is bad where the rows are to be private."""
    if operator.domain.clips:
        raise ValueError(
            "some row holds NaN, which cannot be sketched; it is not said which, as the operator "
            "clips rows to its box for the sake of privacy: leave such rows out, or fill them in"
        )


def _to_native_floats(rows: np.ndarray) -> np.ndarray:
    """Return rows in a type that the kernels read; a copy of one accumulator's at most."""
    if rows.dtype in _NATIVE and rows.dtype.isnative:
        return rows
    return rows.astype(np.float64)


def describe_bad_row(operator: FrequencyOperator, row: np.ndarray, at: int) -> BadEntryError:
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


def describe_far_row(grid: MomentGrid, row: np.ndarray, at: int) -> BadEntryError:
    """Say which entry is too far from the centre for moments, though not for the features."""
    row = row.astype(np.float64)
    # Halves, lest the difference overflows.
    j = int(np.abs(np.ldexp(0.5 * row - 0.5 * grid.center, -grid.exponents)).argmax())
    problem = f"a value too large for exact moments: {row[j]:.3g}"
    advice = (
        f". So far from the centre, {grid.center[j]:.3g}, no sum is kept exactly: leave the row "
        "out, fit the sketcher on data of that size, or sketch with moments=None"
    )
    return BadEntryError(problem, at, j, advice)
