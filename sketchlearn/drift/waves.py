r"""Differences of two sketches' waves, and how likely chance alone makes them as large.

Of a wave whose second harmonic is in the sketch too, as `Sketcher(paired=True)` has them, the
covariance of cosine and sine over the rows is known exactly, from the means :math:`\psi` and
:math:`\psi_2` at the frequency and at twice the frequency:

.. math:: \mathrm{Var} \cos = \tfrac12 (1 + \Re \psi_2) - (\Re \psi)^2, \quad
    \mathrm{Var} \sin = \tfrac12 (1 - \Re \psi_2) - (\Im \psi)^2, \quad
    \mathrm{Cov} = \tfrac12 \Im \psi_2 - \Re \psi \, \Im \psi

Of others only its trace is, :math:`1 - |\psi|^2`, and the worst case is assumed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Self, final

import numpy as np

from sketchlearn.drift.tails import (
    shrink_squares,
    tail_of_any_sum,
    tail_of_one,
    tail_of_pair,
    tail_with_laplace,
)
from sketchlearn.exceptions import EmptySketchError, SketchMismatchError
from sketchlearn.sketches.sketch_like import SketchLike

# Least variance of a cosine or sine over the rows: twice that of its rounding to 2^-21, and more.
LEAST_VARIANCE = 2.0**-20
# Variance of a wave up to which it tells nothing of spreads: rounding is as large.
FLAT = 2.0**-16


@final
@dataclass(frozen=True, eq=False)
class WaveDifferences:
    """Means of all waves in two sketches, pooled, and the noise of their difference.

    Parameters
    ----------
    a, b : Sketch or PrivateSketch
        Of one operator, with rows.
    """

    a: SketchLike
    b: SketchLike

    def __post_init__(self) -> None:
        if self.a.fingerprint != self.b.fingerprint:
            raise SketchMismatchError(
                f"the sketches were taken with different operators: {self.a.operator!r} and "
                f"{self.b.operator!r}; sketch both with the same fitted Sketcher"
            )
        names = self.a.feature_names, self.b.feature_names
        if None not in names and names[0] != names[1]:
            raise SketchMismatchError(
                f"the sketches are of different features: {names[0]} and {names[1]}"
            )
        for one in (self.a, self.b):
            if one.n_samples == 0:
                raise EmptySketchError("a sketch without rows cannot be compared")

    @cached_property
    def sizes(self) -> tuple[float, float]:
        """Rows of equal weight in each."""
        return self.a.sample_size, self.b.sample_size

    @cached_property
    def means(self) -> tuple[np.ndarray, np.ndarray]:
        """Means (m,) complex of each, about the operator's centre."""
        return self.a.centered_mean, self.b.centered_mean

    @cached_property
    def pooled(self) -> np.ndarray:
        """Mean (m,) of all rows."""
        n_a, n_b = self.sizes
        return np.asarray((n_a * self.means[0] + n_b * self.means[1]) / (n_a + n_b))

    @cached_property
    def noise(self) -> np.ndarray:
        """Variance (m,) of noise that was added, of the difference's real and imaginary part."""
        added = [one.added_noise for one in (self.a, self.b)]
        total = np.zeros(self.a.n_frequencies)
        for each in added:
            if each is not None:
                total += each.variance
        return total

    @property
    def has_heavy_tails(self) -> bool:
        """Whether Laplace noise was added to one."""
        added = [one.added_noise for one in (self.a, self.b)]
        return any(each is not None and each.has_heavy_tails for each in added)

    @cached_property
    def factor(self) -> float:
        r"""Variance of the difference of means, over that of one row: N/(N - 1) (1/n_a + 1/n_b).

        Exactly, over all ways to divide the N rows.
        """
        n_a, n_b = self.sizes
        total = n_a + n_b
        return total / max(total - 1.0, 1.0) * (1.0 / n_a + 1.0 / n_b)

    @cached_property
    def unbiased_squares(self) -> tuple[np.ndarray, np.ndarray]:
        r"""Estimates (m,) of :math:`|\psi|^2` from each, :math:`(n |\hat z|^2 - p) / (n - 1)`.

        Without bias, for n rows of equal weight and features of power p, less noise that was added.
        Of less than two rows there is none: NaN.
        """
        return self._unbiased_squares(0, self.a), self._unbiased_squares(1, self.b)

    def _unbiased_squares(self, which: int, sketch: SketchLike) -> np.ndarray:
        n, added = self.sizes[which], sketch.added_noise
        squares = np.abs(self.means[which]) ** 2
        if added is not None:
            squares = squares - 2.0 * added.variance
        if n <= 1.0:
            return np.full(len(squares), np.nan)
        return np.asarray((n * squares - sketch.operator.features.power) / (n - 1.0))

    @property
    def largest_step(self) -> float:
        """By how much one row, per unit of its wave, can move the difference of means."""
        return max(1.0 / n for n in self.sizes)

    @cached_property
    def variance(self) -> float:
        """Squared distance of the means, on average, if all rows are of one population."""
        features, m = self.a.operator.features, self.a.n_frequencies
        sampling = max(features.noise(self.pooled), LEAST_VARIANCE * m)
        return self.factor * sampling + 2.0 * float(np.sum(self.noise))

    def tail(
        self,
        of: Callable[[np.ndarray], np.ndarray],
        squares: np.ndarray,
        steps: np.ndarray,
        shares: np.ndarray,
    ) -> np.ndarray:
        """Return p-values (n,) of squared ratios, of rows' largest steps and noise's shares."""
        shrunk = shrink_squares(squares, steps, *self.sizes)
        return tail_with_laplace(of, shrunk, shares) if self.has_heavy_tails else of(shrunk)


@final
@dataclass(frozen=True, eq=False)
class PairedWaves:
    """Waves whose second harmonics are known, in two sketches.

    Parameters
    ----------
    differences : WaveDifferences
        Of all waves.
    lower, upper : ndarray of shape (p,)
        Indices of frequencies, and of twice these.
    """

    differences: WaveDifferences
    lower: np.ndarray
    upper: np.ndarray

    @classmethod
    def all_of(cls, differences: WaveDifferences) -> Self:
        """Return all pairs of the operator."""
        pairs = differences.a.operator.linear_map.pairs
        return cls(differences, pairs.lower, pairs.upper)

    def take(self, index: np.ndarray) -> PairedWaves:
        """Return some of the pairs."""
        return PairedWaves(self.differences, self.lower[index], self.upper[index])

    @cached_property
    def covariance(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Variance (p,) of cosines over the rows, of sines, and covariances; pooled."""
        psi = self.differences.pooled[self.lower]
        double = self.differences.pooled[self.upper]
        return (
            0.5 * (1.0 + double.real) - psi.real**2,
            0.5 * (1.0 - double.real) - psi.imag**2,
            0.5 * double.imag - psi.real * psi.imag,
        )

    def p_values(self) -> np.ndarray:
        r"""Return p-values (p,) of :math:`D^\top V^{-1} D`, which is :math:`\chi^2_2` by chance.

        V is exact given the rows, but where noise was added: then it is brought to what a
        covariance can be. Along directions without variance, as waves of flags have them, it has
        the least that rounding leaves.
        """
        all_waves = self.differences
        cosine, sine, both = self.covariance
        middle, half = 0.5 * (cosine + sine), np.hypot(0.5 * (cosine - sine), both)
        angle = 0.5 * np.arctan2(2.0 * both, cosine - sine)
        axes = np.exp(1j * angle), 1j * np.exp(1j * angle)
        noise = all_waves.noise[self.lower]
        d = (all_waves.means[1] - all_waves.means[0])[self.lower]
        pooled = all_waves.pooled[self.lower]
        squares, pull = np.zeros(len(d)), np.zeros(len(d), complex)
        least = np.full(len(d), np.inf)
        for axis, spread in zip(axes, (middle + half, middle - half), strict=True):
            variance = all_waves.factor * np.maximum(spread, LEAST_VARIANCE) + noise
            along = (axis.conjugate() * d).real
            squares += along**2 / variance
            pull += axis * along / variance
            least = np.minimum(least, variance)
        # What one row can add along D, in standard deviations: waves lie on the unit circle.
        reach = np.abs(pull) + np.abs((pull.conjugate() * pooled).real)
        steps = all_waves.largest_step * reach / np.sqrt(np.maximum(squares, 1e-300))
        return all_waves.tail(tail_of_pair, squares, steps, np.minimum(noise / least, 1.0))

    def location(self) -> np.ndarray:
        r"""Return p-values (p,) that rows moved along the frequency.

        Of :math:`\Im e^{-i \theta} D`, with :math:`\theta` the phase of the pooled mean; its
        variance is exact.
        """
        all_waves = self.differences
        cosine, sine, both = self.covariance
        turn = _phase(all_waves.pooled[self.lower])
        c, s = turn.real, turn.imag
        across = np.maximum(s * s * cosine + c * c * sine - 2.0 * c * s * both, LEAST_VARIANCE)
        noise = all_waves.noise[self.lower]
        d = (all_waves.means[1] - all_waves.means[0])[self.lower]
        variance = all_waves.factor * across + noise
        return all_waves.tail(
            tail_of_one,
            (turn.conjugate() * d).imag ** 2 / variance,
            all_waves.largest_step / np.sqrt(variance),
            np.minimum(noise / variance, 1.0),
        )

    def spread(self) -> np.ndarray:
        r"""Return p-values (p,) that rows spread along the frequency; NaN where the wave is flat.

        Of the difference of :math:`|\psi|^2`, unbiased, which no shift changes. Its variance, to
        second order, is that of rows moved to the same phase: a shift is no part of it.
        """
        all_waves = self.differences
        squares = [one[self.lower] for one in all_waves.unbiased_squares]
        n_a, n_b = all_waves.sizes
        level = np.maximum((n_a * squares[0] + n_b * squares[1]) / (n_a + n_b), 0.0)
        middle = 0.5 * self._turned_double.real
        along, across = 0.5 + middle - level, 0.5 - middle
        is_flat = np.maximum(along, across) <= FLAT
        along, across = np.maximum(along, LEAST_VARIANCE), np.maximum(across, LEAST_VARIANCE)
        added = [one.added_noise for one in (all_waves.a, all_waves.b)]
        parts = [0.0 if each is None else each.variance[self.lower] for each in added]
        second_order = sum(
            (along / n + part) ** 2 + (across / n + part) ** 2
            for n, part in zip((n_a, n_b), parts, strict=True)
        )
        noise, size = all_waves.noise[self.lower], np.sqrt(level)
        slope = all_waves.factor * along + noise
        variance = 4.0 * level * slope + 2.0 * second_order
        p_values = all_waves.tail(
            tail_of_one,
            (squares[1] - squares[0]) ** 2 / variance,
            2.0 * size * all_waves.largest_step * (1.0 + size) / np.sqrt(variance),
            np.minimum(noise / slope, 1.0),
        )
        # Of a single row no spread is known.
        p_values = np.where(np.isnan(level), 1.0, p_values)
        return np.where(is_flat & (noise == 0.0), np.nan, p_values)

    @cached_property
    def _turned_double(self) -> np.ndarray:
        """Mean (p,) of the upper waves, each sample turned so that its lower mean has phase 0."""
        turned = [
            _phase(mean[self.lower]).conjugate() ** 2 * mean[self.upper]
            for mean in self.differences.means
        ]
        n_a, n_b = self.differences.sizes
        return np.asarray((n_a * turned[0] + n_b * turned[1]) / (n_a + n_b))


def _phase(means: np.ndarray) -> np.ndarray:
    """Return complex numbers (p,) over their size; 1 where they are zero."""
    sizes = np.abs(means)
    return np.where(sizes > 0.0, means / np.maximum(sizes, 1e-300), 1.0)


def distance_p_value(differences: WaveDifferences) -> float:
    """Return the p-value of the distance of all means, by the tail that holds for any waves."""
    features, m = differences.a.operator.features, differences.a.n_frequencies
    distance = float(np.linalg.norm(differences.means[1] - differences.means[0]))
    reach = np.sqrt(m * features.power) + np.linalg.norm(differences.pooled)
    variance = differences.variance
    return float(
        differences.tail(
            tail_of_any_sum,
            np.array([distance**2 / variance]),
            np.array([differences.largest_step * reach / np.sqrt(variance)]),
            np.array([2.0 * np.sum(differences.noise) / variance]),
        )[0]
    )


def worst_case_p_values(differences: WaveDifferences) -> np.ndarray:
    r"""Return p-values (m,) of single waves whose covariance has a known trace alone.

    :math:`|D|^2` over its mean, by the tail that is the largest for any covariance.
    """
    noise = 2.0 * differences.noise
    power = differences.a.operator.features.power
    trace = np.maximum(power - np.abs(differences.pooled) ** 2, LEAST_VARIANCE)
    variance = differences.factor * trace + noise
    distance = np.abs(differences.means[1] - differences.means[0])
    reach = np.sqrt(power) + np.abs(differences.pooled)
    return differences.tail(
        tail_of_any_sum,
        distance**2 / variance,
        differences.largest_step * reach / np.sqrt(variance),
        np.minimum(noise / variance, 1.0),
    )
