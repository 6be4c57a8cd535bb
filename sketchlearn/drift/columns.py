"""Which columns moved between two sketches: their means and spreads, and what chance explains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from sketchlearn.drift.tails import exponent_of_any_rows, tail_of_one
from sketchlearn.drift.waves import PairedWaves, WaveDifferences
from sketchlearn.sketches.sketch_like import SketchLike


@final
@dataclass(frozen=True)
class ColumnChange:
    """How one column differs between two sketches.

    P-values are corrected for all columns and both questions (Holm): where nothing changed at all,
    any of them is at most .05 in one comparison of twenty.

    Attributes
    ----------
    name : str
        Of the column; "x0", "x1", ... where there are no names.
    mean, standard_deviation : tuple of two floats
        Of the first sketch and of the second, from their moments, in data units; NaN without
        moments.
    mean_p_value : float
        That the column's location is the same. NaN where nothing tells. Without exact moments, as
        of private sketches, a shift by 9 standard deviations, or a multiple, goes unseen: it is a
        whole turn of the column's waves.
    spread_p_value : float
        That its spread is the same. NaN unless the column has a pair of frequencies of its own
        (`Sketcher` with ``paired=True``): how variable a variance is, two moments do not tell. NaN
        too where it is so narrow beside the others that its waves are flat; ``scale="columns"``
        helps.

    Examples
    --------
    >>> from sketchlearn.drift import ColumnChange
    >>> change = ColumnChange("price", (10.0, 13.0), (2.0, 4.0), 1e-9, 1e-7)
    >>> round(change.shift, 3), change.spread_ratio, change.moved()
    (0.949, 2.0, True)
    """

    name: str
    mean: tuple[float, float]
    standard_deviation: tuple[float, float]
    mean_p_value: float
    spread_p_value: float

    @property
    def shift(self) -> float:
        """Difference of means, second less first, over the root mean square of the deviations."""
        deviation = math.sqrt(sum(one**2 for one in self.standard_deviation) / 2.0)
        difference = self.mean[1] - self.mean[0]
        if deviation == 0.0:
            return math.copysign(math.inf, difference) if difference else 0.0
        return difference / deviation

    @property
    def spread_ratio(self) -> float:
        """Standard deviation in the second sketch over that in the first."""
        first, second = self.standard_deviation
        if first == 0.0:
            return math.inf if second > 0.0 else 1.0
        return second / first

    @property
    def p_value(self) -> float:
        """The smaller of both p-values; NaN where there is none."""
        known = [p for p in (self.mean_p_value, self.spread_p_value) if not math.isnan(p)]
        return min(known, default=math.nan)

    def moved(self, alpha: float = 0.05) -> bool:
        """Whether mean or spread differ by more than chance explains, at a level.

        Raises
        ------
        ValueError
            If alpha is not between 0 and 1.
        """
        if not 0.0 <= alpha <= 1.0:
            raise ValueError(f"alpha must be between 0 and 1, got {alpha}")
        return self.p_value <= alpha


def compare_columns(differences: WaveDifferences, p_values: np.ndarray) -> tuple[ColumnChange, ...]:
    """Return how each column differs, with p-values (2, d), in the order of the columns."""
    a, b = differences.a, differences.b
    d = a.n_features
    means, deviations = np.full((2, d), np.nan), np.full((2, d), np.nan)
    for i, one in enumerate((a, b)):
        if one.moment_kind is not None:
            moments = one.moments
            means[i], deviations[i] = moments.mean, moments.standard_deviation
    names = a.column_names if a.feature_names else b.column_names
    return tuple(
        ColumnChange(name, _both(means[:, j]), _both(deviations[:, j]), *_both(p_values[:, j]))
        for j, name in enumerate(names)
    )


def find_own_pairs(sketch: SketchLike) -> tuple[np.ndarray, np.ndarray]:
    """Return which features have a pair of frequencies of their own, and the first of each."""
    features, places = np.unique(sketch.operator.linear_map.pairs.features, return_index=True)
    is_own = features >= 0
    return features[is_own], places[is_own]


def correct_by_holm(p_values: np.ndarray) -> np.ndarray:
    """Return p-values of any shape corrected for their number; NaN are not counted.

    Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    corrected = np.array(p_values, float)
    known = np.flatnonzero(~np.isnan(corrected.ravel()))
    values = corrected.ravel()[known]
    order = np.argsort(values)
    steps = values[order] * (len(values) - np.arange(len(values)))
    corrected.ravel()[known[order]] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def column_p_values(differences: WaveDifferences) -> np.ndarray:
    """Return p-values (2, d) of locations and of spreads, corrected; NaN where nothing tells.

    Locations are those of a column's own pair, which outliers do not hide, and of the moments:
    waves do not see a shift by whole turns. The smaller counts twice.
    """
    a, b = differences.a, differences.b
    moved, spread = np.full(a.n_features, np.nan), np.full(a.n_features, np.nan)
    features, own = find_own_pairs(a)
    if len(own):
        waves = PairedWaves.all_of(differences).take(own)
        moved[features], spread[features] = waves.location(), waves.spread()
    if a.is_exact and b.is_exact and None not in (a.moment_kind, b.moment_kind):
        variances = a.moments.variance, b.moments.variance
        by_moments = compare_means(a, b, variances)
        both = np.minimum(2.0 * np.minimum(moved, by_moments), 1.0)
        moved = np.where(np.isnan(moved), by_moments, both)
        # A wave is flat of a column of one value, whose spread is known, or of one too narrow.
        is_constant = (variances[0] == 0.0) & (variances[1] == 0.0)
        spread[features] = np.where(is_constant[features], 1.0, spread[features])
    return correct_by_holm(np.stack([moved, spread]))


def compare_means(
    a: SketchLike, b: SketchLike, variances: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    r"""Return p-values (d,) that the columns' means are the same, from exact moments.

    The difference over its standard deviation given all rows, from the variance of both samples
    together, by the tail that holds whatever the rows are (`exponent_of_any_rows`). Where one
    sample is much smaller than the other that is far from the normal one.
    """
    sizes = a.sample_size, b.sample_size
    total = sum(sizes)
    difference = b.moments.mean - a.moments.mean
    share = sizes[0] * sizes[1] / total**2
    within = sum(n * one for n, one in zip(sizes, variances, strict=True)) / total
    variance = within + share * difference**2
    factor = total / max(total - 1.0, 1.0) * sum(1.0 / n for n in sizes)
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = difference**2 / (factor * variance)
    # A column of one value differs from itself by rounding at most.
    squares = np.where(difference == 0.0, 0.0, squares)
    return tail_of_one(exponent_of_any_rows(squares, *sizes))


def _both(pair: Sequence[float] | np.ndarray) -> tuple[float, float]:
    first, second = pair
    return float(first), float(second)
