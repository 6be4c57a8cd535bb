"""How rows are added to integer sums, a chunk at a time: the contract, and how far rows may lie."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np

from sketchlearn._kernels._policy import RUN_ROWS


@final
@dataclass(frozen=True)
class Runs:
    """Runs of rows of one group each, in one array.

    Parameters
    ----------
    starts, stops : ndarray of shape (n_runs,) int64
        Where runs begin and end, in order. They begin at multiples of 16, so that no vector of the
        kernels holds rows of two runs.
    groups : ndarray of shape (n_runs,) int64
        What each run's sums are added to, by index.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.features.accumulator import Runs
    >>> runs = Runs.of_lengths(np.array([3, 20]), np.array([7, 5]))
    >>> runs.starts, runs.stops, runs.n_places
    (array([ 0, 16]), array([ 3, 36]), 48)
    """

    starts: np.ndarray
    stops: np.ndarray
    groups: np.ndarray

    @classmethod
    def of_lengths(cls, lengths: np.ndarray, groups: np.ndarray) -> Self:
        """Return runs of these lengths, each as near to the one before as can be."""
        ends = np.cumsum(-(-lengths // RUN_ROWS) * RUN_ROWS)
        starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
        return cls(starts, starts + lengths, groups)

    def find(self, places: np.ndarray) -> np.ndarray:
        """Return the indices of the runs that places are in, or that they come after."""
        return np.searchsorted(self.starts, places, side="right") - 1

    @property
    def aligned_stops(self) -> np.ndarray:
        """Where runs end, with the places that no row takes before the next multiple of 16."""
        return -(-self.stops // RUN_ROWS) * RUN_ROWS

    @property
    def n_places(self) -> int:
        """How many rows the array has, those between runs among them."""
        return int(self.aligned_stops[-1]) if len(self.stops) else 0


class Accumulator(ABC):
    """One thread's way to add rows to integer sums; holds scratch memory, hence not shared.

    A row's contribution depends on the row alone, so that any split of the rows gives the same
    sums.

    Attributes
    ----------
    chunk_size : int
        The most rows that `add` takes.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> accumulator = Sketcher(5, scale=1.0, random_state=0).fit(X).operator_.accumulator()
    >>> whole, parts = np.zeros((2, 2, 5), np.int64)
    >>> accumulator.add(X, None, whole)
    >>> for rows in (X[:30], X[30:]):
    ...     accumulator.add(rows, None, parts)
    >>> np.array_equal(whole, parts)
    True
    """

    chunk_size: int

    @abstractmethod
    def add(self, rows: np.ndarray, weights: np.ndarray | None, sums: np.ndarray) -> int | None:
        """Add the features of rows to the sums, or nothing at all if a row cannot be.

        Parameters
        ----------
        rows : ndarray of shape (n, n_features), n <= chunk_size
            Native float32 or float64, any layout, in data coordinates.
        weights : ndarray of shape (n,) int64, optional
            Fixed-point weights, multiples of 2^-20.
        sums : ndarray of shape (2, n_frequencies) int64
            Sums of `FeatureMap.integer_features` of the centred phases. Added to.

        Returns
        -------
        int or None
            Index of the first row that is not finite, or too far from the centre for the
            operator; `sums` is then as it was. None if all were added.
        """

    def add_all(self, rows: np.ndarray, weights: np.ndarray | None, sums: np.ndarray) -> int | None:
        """Add the features of rows in any number; arguments and result as of `add`."""
        added = np.zeros_like(sums)
        for start in range(0, len(rows), self.chunk_size):
            some = slice(start, start + self.chunk_size)
            bad = self.add(rows[some], None if weights is None else weights[some], added)
            if bad is not None:
                return start + bad
        sums += added
        return None

    def add_runs(
        self, rows: np.ndarray, weights: np.ndarray | None, runs: Runs, sums: np.ndarray
    ) -> int | None:
        """Add the features of runs of rows, each to the sums of its group.

        Parameters
        ----------
        rows : ndarray of shape (runs.n_places, n_features) float64
            In any number. What lies between runs is the centre.
        weights : ndarray of shape (runs.n_places,) int64, optional
            Fixed-point weights, zero between runs.
        runs : Runs
            Where they are, and of which groups.
        sums : ndarray of shape (n_groups, 2, n_frequencies) int64
            Added to.

        Returns
        -------
        int or None
            Index of a row that cannot be added, the `sums` then being of no use; None if all were.
        """
        for start, stop, group in zip(runs.starts, runs.stops, runs.groups, strict=True):
            own = None if weights is None else weights[start:stop]
            bad = self.add_all(rows[start:stop], own, sums[group])
            if bad is not None:
                return int(start) + bad
        return None


def largest_reach(n_features: int, dtype: Any) -> float:
    """Root mean square of a row's phases, in radians, up to which a type is fine enough."""
    reach = 0.5 * single_phase_limit(n_features)
    return reach if dtype is np.float32 else reach * 2.0**29


def single_phase_limit(n_features: int) -> float:
    """Largest phase of a pilot, in radians, up to which an operator's type is float32."""
    return 60.0 if n_features <= 16 else 30.0
