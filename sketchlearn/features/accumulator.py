"""How rows are added to integer sums, a chunk at a time: the contract, and how far rows may lie."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np


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


def largest_reach(n_features: int, dtype: Any) -> float:
    """Root mean square of a row's phases, in radians, up to which a type is fine enough."""
    reach = 0.5 * single_phase_limit(n_features)
    return reach if dtype is np.float32 else reach * 2.0**29


def single_phase_limit(n_features: int) -> float:
    """Largest phase of a pilot, in radians, up to which an operator's type is float32."""
    return 60.0 if n_features <= 16 else 30.0
