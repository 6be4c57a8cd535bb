"""Each row's waves, in float64: what a sketch averages."""

from __future__ import annotations

import numpy as np

from sketchlearn.features import Waves
from sketchlearn.features.accumulator import largest_reach
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketching.accumulation import describe_bad_row
from sketchlearn.sources.source import RowSource

# Rows that are worked on at once.
BLOCK_ROWS = 1024


def compute_source_waves(operator: FrequencyOperator, source: RowSource) -> np.ndarray:
    """Return waves (n, n_frequencies) of a source's rows; ValueError if it has none."""
    waves: list[np.ndarray] = []
    for chunk in source.chunks():
        waves.append(compute_waves(operator, chunk.rows, sum(map(len, waves))))
    if not waves:
        raise ValueError("expected at least one row, got a source without rows")
    return np.concatenate(waves)


def compute_waves(operator: FrequencyOperator, X: np.ndarray, first: int = 0) -> np.ndarray:
    """Return waves (n, n_frequencies) of finite rows, which errors count from ``first`` on."""
    out = np.empty((len(X), operator.n_frequencies), dtype=np.complex128)
    # Centred first, as in a sketch: rows close together far from the origin keep their digits.
    rotation = Waves().waves(operator.project(operator.center[None, :]))
    reach = largest_reach(operator.n_features, np.float64)
    for start in range(0, len(X), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        with np.errstate(over="ignore", invalid="ignore"):
            some = operator.domain.clip(X[rows].astype(np.float64))
            phases = operator.project(some - operator.center)
            # Overflow, or NaN of it, is too far as well.
            is_near = np.sqrt(np.mean(np.square(phases), axis=1)) <= reach
        if not is_near.all():
            i = int(is_near.argmin())
            raise describe_bad_row(operator, X[start + i], first + start + i)
        np.multiply(operator.features.waves(phases), rotation, out=out[rows])
    return out
