"""Whether the rows of two sketches are of one population, and what differs if they are not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from sketchlearn._validation import RandomState
from sketchlearn.drift.columns import (
    ColumnChange,
    column_p_values,
    compare_columns,
    find_own_pairs,
)
from sketchlearn.drift.effect import measure_effect, measure_effect_error
from sketchlearn.drift.waves import (
    PairedWaves,
    WaveDifferences,
    distance_p_value,
    worst_case_p_values,
)
from sketchlearn.drift.witness import Witness, find_witness
from sketchlearn.sketches.sketch_like import SketchLike, describe_no_sketch


@final
@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    r"""What two sketches tell of the difference between their rows; computed when it is asked for.

    Parameters
    ----------
    differences : WaveDifferences
        Of the two sketches, which are of one operator and of different rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher, compare
    >>> rng = np.random.default_rng(0)
    >>> X, Y = rng.normal(size=(2000, 3)), rng.normal(size=(2000, 3))
    >>> Y[:, 1] *= 1.3
    >>> sketcher = Sketcher(100, paired=True, random_state=0).fit(X)
    >>> comparison = compare(sketcher.sketch(X), sketcher.sketch(Y))
    >>> comparison.p_value < 1e-6, [column.name for column in comparison.moved_columns()]
    (True, ['x1'])
    """

    differences: WaveDifferences

    @property
    def a(self) -> SketchLike:
        """The first sketch."""
        return self.differences.a

    @property
    def b(self) -> SketchLike:
        """The second sketch."""
        return self.differences.b

    @cached_property
    def is_paired(self) -> bool:
        """Whether waves' variances are known exactly: frequencies were drawn in pairs."""
        n_pairs = len(self.a.operator.linear_map.pairs)
        return 0 < n_pairs >= self.a.n_frequencies // 2

    @cached_property
    def p_value(self) -> float:
        """At most this likely is so large a difference, if all rows are of one population.

        Half of the level is spent on the columns, each by itself, and half on single waves, in all
        directions, both corrected by Bonferroni: that holds however they depend on each other.
        Where frequencies are paired, variances are exact. Otherwise the worst case is assumed of
        waves, and of columns only the means count: much larger changes go unseen.

        It holds for independent rows, weights that do not depend on what they weigh, and sketches
        that share no row. Shared rows make it too large; nothing in two sketches tells them.
        """
        columns = self._column_p_values
        if np.isnan(columns).all():
            return min(1.0, self._waves_p_value)
        return min(1.0, 2.0 * self._waves_p_value, 2.0 * float(np.nanmin(columns)))

    @property
    def _waves_p_value(self) -> float:
        """The least p-value of waves, corrected for their number."""
        if not self.is_paired:
            single = worst_case_p_values(self.differences)
            return 2.0 * min(len(single) * float(single.min()), self.p_value_bound)
        pairs = PairedWaves.all_of(self.differences)
        rest = np.delete(np.arange(len(pairs.lower)), find_own_pairs(self.a)[1])
        if not len(rest):
            return 1.0
        return len(rest) * float(pairs.take(rest).p_values().min())

    @cached_property
    def _column_p_values(self) -> np.ndarray:
        return column_p_values(self.differences)

    @cached_property
    def distance(self) -> float:
        r"""Euclidean distance :math:`\|z_a - z_b\|` of the means of all waves."""
        return float(np.linalg.norm(self.differences.means[1] - self.differences.means[0]))

    @property
    def standard_error(self) -> float:
        r"""What the distance would be, as a root mean square, if both were of one population.

        :math:`\sqrt{(m - \|z\|^2)(1/n_a + 1/n_b) N / (N - 1)}`, with z the mean of both together, n
        the effective numbers of rows and N their sum; of private sketches, the noise that they were
        released with is added.
        """
        return math.sqrt(self.differences.variance)

    @property
    def ratio(self) -> float:
        """Distance over standard error: about 1 for samples of one population."""
        return self.distance / self.standard_error

    @cached_property
    def p_value_bound(self) -> float:
        """P-value of the distance alone, the worst case of any covariance of the waves.

        It is 1 for ratios below 1.24, and far larger than `p_value` where frequencies are paired.
        """
        return distance_p_value(self.differences)

    @cached_property
    def effect_size(self) -> float:
        r"""Unbiased estimate of the squared maximum mean discrepancy of the two populations.

        .. math:: \frac1m \sum_j |\psi_{a,j} - \psi_{b,j}|^2

        of the kernel that the operator's frequencies make. Between 0 and 4; negative by chance
        where the populations are alike, and NaN where a sketch has one row.
        """
        return measure_effect(self.differences)

    @cached_property
    def effect_size_error(self) -> float:
        """Standard error of `effect_size`, for the same frequencies and other rows.

        How waves vary together is not in the sketches: it is taken from normal rows of the same
        mean and covariance, which is right to a third or so for clusters and heavy tails too.
        """
        return measure_effect_error(self.differences)

    @cached_property
    def columns(self) -> tuple[ColumnChange, ...]:
        """How each column's mean and spread differ, with p-values corrected for all of them."""
        return compare_columns(self.differences, self._column_p_values)

    def moved_columns(self, alpha: float = 0.05) -> list[ColumnChange]:
        """Return the columns that moved by more than chance explains, the surest first."""
        moved = [column for column in self.columns if column.moved(alpha)]
        return sorted(moved, key=lambda column: column.p_value)

    def witness(
        self, X: Any = None, *, n_samples: int = 1000, random_state: RandomState = None
    ) -> Witness:
        """Return where density was gained and lost from the first sketch to the second.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), optional
            Rows to tell it of, of either population or any other. Without them rows are made up
            that have the sketches' waves, half of each (`synthesize`), which takes a decode.
        n_samples : int, default=1000
            How many rows to make up.
        random_state : int, RandomState, Generator or None
            Determines made-up rows.

        Raises
        ------
        ValueError
            If X is not finite or has another number of features.
        """
        return find_witness(self.differences, X, n_samples, random_state)

    def to_dict(self) -> dict[str, object]:
        """Return all figures by name, as the command line prints them."""
        columns = [
            {
                "name": column.name,
                "mean": list(column.mean),
                "standard_deviation": list(column.standard_deviation),
                "shift": column.shift,
                "spread_ratio": column.spread_ratio,
                "mean_p_value": column.mean_p_value,
                "spread_p_value": column.spread_p_value,
            }
            for column in self.columns
        ]
        return {
            "p_value": self.p_value,
            "is_paired": self.is_paired,
            "effect_size": self.effect_size,
            "effect_size_error": self.effect_size_error,
            "distance": self.distance,
            "standard_error": self.standard_error,
            "ratio": self.ratio,
            "p_value_bound": self.p_value_bound,
            "n_samples": [self.a.n_samples, self.b.n_samples],
            "columns": columns,
        }

    def __repr__(self) -> str:
        moved = ", ".join(column.name for column in self.moved_columns()) or "none"
        return (
            f"Comparison(p_value={self.p_value:.3g}, effect_size={self.effect_size:.3g} +- "
            f"{self.effect_size_error:.2g}, ratio={self.ratio:.4g}, moved columns: {moved})"
        )


def compare(a: SketchLike, b: SketchLike) -> Comparison:
    """Compare the populations that two sketches of different rows were drawn from.

    Parameters
    ----------
    a, b : Sketch or PrivateSketch
        Of the same operator; no row may be in both.

    Returns
    -------
    Comparison
        A p-value, an effect size, the columns that moved, and where density was gained and lost.

    Raises
    ------
    TypeError
        If one is no sketch.
    SketchMismatchError
        If they were taken with different operators, or are of columns of other names.
    EmptySketchError
        If one holds no rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher, compare
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(3000, 2))
    >>> sketcher = Sketcher(100, paired=True, random_state=0).fit(X)
    >>> compare(sketcher.sketch(X[:1000]), sketcher.sketch(X[1000:])).p_value > 0.05
    True
    >>> compare(sketcher.sketch(X[:1000]), sketcher.sketch(X[1000:] + 0.3)).p_value < 1e-6
    True
    """
    for one in (a, b):
        if not isinstance(one, SketchLike):
            raise TypeError(
                f"compare expected two sketches, {describe_no_sketch(one)}; one "
                "fitted Sketcher takes both, best with paired=True"
            )
    return Comparison(WaveDifferences(a, b))
