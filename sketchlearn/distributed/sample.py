"""A uniform sample of rows that merges: every row draws a key, the smallest keys stay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from sketchlearn.sketching.pilot import CANDIDATES_A_ROW

SAMPLE_BYTES = 2**25


@final
@dataclass(frozen=True, eq=False)
class Sample:
    """Rows and their random keys. The rows with the smallest keys of all are a uniform sample.

    Parameters
    ----------
    keys : ndarray of shape (n,) float64
        Uniform in [0, 1), one for each row, increasing.
    rows : ndarray of shape (n, n_features)
        The rows.
    """

    keys: np.ndarray
    rows: np.ndarray

    @classmethod
    def of_rows(cls, chunks: Iterable[np.ndarray], size: int, rng: np.random.Generator) -> Sample:
        """Draw rows, uniform among all of the chunks, without replacement; see `smallest`."""
        sample = cls(np.empty(0), np.empty((0, 0)))
        for rows in chunks:
            sample = cls.smallest([sample, cls(rng.random(len(rows)), rows)], size)
        return sample

    @classmethod
    def smallest(cls, samples: Sequence[Sample], size: int) -> Sample:
        """Merge: keep the rows of smallest keys, candidates for a pilot of `size` rows."""
        filled = [sample for sample in samples if len(sample.keys)]
        if not filled:
            return cls(np.empty(0), np.empty((0, 0)))
        keys = np.concatenate([sample.keys for sample in filled])
        n_candidates = candidates(size, filled[0].rows.shape[1])
        first = np.argsort(keys, kind="stable")[:n_candidates]
        return cls(keys[first], np.concatenate([sample.rows for sample in filled])[first])


def candidates(size: int, n_features: int) -> int:
    """How many rows to choose a pilot of `size` rows among: more, while they are small.

    Twenty times as many, as `Sketcher.fit` looks at; fewer if they took more than 32 MB, since
    several samples meet in one worker's memory.
    """
    return max(size, min(CANDIDATES_A_ROW * size, SAMPLE_BYTES // (8 * n_features)))
