"""A uniform sample of rows that merges: every row draws a key, the smallest keys stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from sketchlearn._validation import draw_seed
from sketchlearn.distributed.rows import Rows
from sketchlearn.distributed.sums import require_finite
from sketchlearn.sketching import Sketcher
from sketchlearn.sketching.pilot import CANDIDATES_A_ROW, pilot_size
from sketchlearn.sketching.tuning import check_choices
from sketchlearn.sources.weights import require_weights

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
        The rows, all of positive weight.
    weights : ndarray of shape (n,), optional
        Their weights.
    names : tuple of str, optional
        Names of the features.
    n_rows : int
        How many rows of positive weight it was drawn among.
    """

    keys: np.ndarray
    rows: np.ndarray
    weights: np.ndarray | None = None
    names: tuple[str, ...] | None = None
    n_rows: int = 0

    @classmethod
    def none(cls) -> Sample:
        """Return the sample of no rows."""
        return cls(np.empty(0), np.empty((0, 0)))

    @classmethod
    def of_rows(cls, rows: Rows, size: int, rng: np.random.Generator) -> Sample:
        """Draw rows, uniform among all chunks, without replacement; see `smallest`.

        A ValueError refuses rows that are not finite, and weights out of range.
        """
        sample, n_read = cls.none(), 0
        for chunk in rows.chunks:
            if chunk.weights is not None:
                require_weights(chunk.weights)
            require_finite(chunk.rows, rows.names, n_read)
            n_read += len(chunk)
            if chunk.weights is not None:
                chunk = chunk[chunk.weights > 0]
            keys = rng.random(len(chunk))
            drawn = cls(keys, chunk.rows, chunk.weights, rows.names, len(chunk))
            sample = cls.smallest([sample, drawn], size)
        return sample

    @classmethod
    def smallest(cls, samples: Sequence[Sample], size: int) -> Sample:
        """Merge: keep the rows of smallest keys, candidates for a pilot of `size` rows.

        A ValueError refuses samples of different features.
        """
        filled = [sample for sample in samples if len(sample.keys)]
        if not filled:
            return cls.none()
        one = filled[0]
        for other in filled:
            if (other.names, other.rows.shape[1]) != (one.names, one.rows.shape[1]):
                raise ValueError(
                    f"partitions differ: {_describe_features(one)}, and {_describe_features(other)}"
                )
        keys = np.concatenate([sample.keys for sample in filled])
        first = np.argsort(keys, kind="stable")[: count_candidates(size, one.rows.shape[1])]
        rows = np.concatenate([sample.rows for sample in filled])[first]
        weights = None
        if one.weights is not None:
            weights = np.concatenate([sample.weights for sample in filled])[first]
        return cls(keys[first], rows, weights, one.names, sum(s.n_rows for s in filled))

    def fit(self, sketcher: Sketcher, share: float = 1.0) -> Sketcher:
        """Fit a sketcher on the rows, drawn among this share of all rows.

        The chance that a row had to be in the pilot is that of being drawn among all rows, times
        that of being chosen among those drawn.
        """
        sketcher.fit(self.rows, sample_weight=self.weights)
        if self.names is not None:
            sketcher.feature_names_in_ = np.array(self.names, dtype=object)
        if sketcher.pilot_inclusion_probability_ is not None and self.n_rows:
            share *= len(self.rows) / self.n_rows
            sketcher.pilot_inclusion_probability_ = share * sketcher.pilot_inclusion_probability_
        return sketcher


def _describe_features(sample: Sample) -> str:
    if sample.names is None:
        return f"{sample.rows.shape[1]} columns"
    return f"columns {', '.join(map(repr, sample.names))}"


def plan(sketcher: Sketcher) -> tuple[int, int]:
    """Check a sketcher's parameters; give the size of its pilot, and a seed to draw it by."""
    check_choices(sketcher.n_frequencies, sketcher.n_clusters, sketcher.scale, sketcher.radius_law)
    seed = draw_seed(sketcher.random_state)
    return pilot_size(sketcher.n_clusters), int(seed)


def count_candidates(size: int, n_features: int) -> int:
    """How many rows to choose a pilot of `size` rows among: more, while they are small.

    Twenty times as many, as `Sketcher.fit` looks at; fewer if they took more than 32 MB, since
    several samples meet in one worker's memory.
    """
    return max(size, min(CANDIDATES_A_ROW * size, SAMPLE_BYTES // (8 * n_features)))
