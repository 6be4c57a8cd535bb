"""Pairs of frequencies w and 2 w, from which the variance of each wave at w follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, final

import numpy as np


@final
@dataclass(frozen=True, eq=False)
class FrequencyPairs:
    """Which frequencies are exactly twice which others.

    Attributes
    ----------
    lower, upper : ndarray of shape (n_pairs,)
        Indices of frequencies, each upper one exactly twice its lower one.
    features : ndarray of shape (n_pairs,)
        Index of the feature that a pair lies along; -1 of one that lies along none.

    Examples
    --------
    >>> from sketchlearn.linear_maps import DenseMap
    >>> pairs = DenseMap([[0.25, 0.5, 0.3], [0.0, 0.0, 0.1]]).pairs
    >>> pairs.lower, pairs.upper, pairs.features
    (array([0]), array([1]), array([0]))
    """

    lower: np.ndarray
    upper: np.ndarray
    features: np.ndarray

    @classmethod
    def find(cls, turns: np.ndarray) -> Self:
        """Find all pairs among the columns of a matrix (n_features, n_frequencies)."""
        # Zeros without a sign, so that equal numbers are equal bytes.
        rows = np.ascontiguousarray(turns.T) + 0.0
        places = {row.tobytes(): j for j, row in enumerate(rows)}
        doubled = [places.get(row.tobytes(), -1) for row in 2.0 * rows]
        upper = np.array(doubled, dtype=np.intp)
        is_lower = (upper >= 0) & (upper != np.arange(len(rows)))
        is_along = (rows != 0.0).sum(axis=1) == 1
        features = np.where(is_along, np.abs(rows).argmax(axis=1), -1)
        return cls(np.flatnonzero(is_lower), upper[is_lower], features[is_lower])

    @classmethod
    def none(cls) -> Self:
        """Return no pairs."""
        return cls(*(np.zeros(0, np.intp) for _ in range(3)))

    def __len__(self) -> int:
        return len(self.lower)
