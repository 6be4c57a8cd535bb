"""How far windows of rows lie from one another, over what they vary by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sketchlearn.drift.waves import LEAST_VARIANCE
from sketchlearn.sketches.sketch_like import SketchLike

# A window stands far apart if its score against the others is this many times the largest of
# theirs. Of simulated references of 20 to 60 windows 2 % at most have such a window by chance,
# where the windows' means are log-normal with a skewness of 1.8, too (docs/benchmarks/drift.md).
FAR = 7.0
# One window in so many may stand far apart; with fewer in all none is looked for.
LEAST_APART = 9


@dataclass(frozen=True, eq=False)
class WindowMeans:
    """Means of waves of several windows, and the variances that rows alone explain.

    Parameters
    ----------
    means : ndarray of complex of shape (n_windows, m)
    sizes : ndarray of shape (n_windows,)
        Effective numbers of rows.
    noise : ndarray of shape (n_windows, m)
        Variance of what private sketches add.
    power : float
        Mean square of a wave of one row.
    """

    means: np.ndarray
    sizes: np.ndarray
    noise: np.ndarray
    power: float

    @classmethod
    def of(cls, windows: Iterable[SketchLike]) -> WindowMeans:
        """Return those of sketches of one operator."""
        given = tuple(windows)
        means = np.array([one.centered_mean for one in given])
        noise = np.zeros(means.shape)
        for row, one in zip(noise, given, strict=True):
            if one.added_noise is not None:
                row += 2.0 * one.added_noise.variance
        sizes = np.array([one.sample_size for one in given])
        return cls(means, sizes, noise, given[0].operator.features.power)

    def join(self, others: WindowMeans) -> WindowMeans:
        """Return those of both."""
        return WindowMeans(
            np.concatenate([self.means, others.means]),
            np.concatenate([self.sizes, others.sizes]),
            np.concatenate([self.noise, others.noise]),
            self.power,
        )

    def take(self, places: np.ndarray) -> WindowMeans:
        """Return those of some of the windows."""
        return WindowMeans(self.means[places], self.sizes[places], self.noise[places], self.power)

    def explained_by_rows(self, middle: np.ndarray) -> np.ndarray:
        """Return the variances (n_windows, m) of means of rows whose waves have a given mean."""
        by_rows = np.maximum(self.power - np.abs(middle) ** 2, LEAST_VARIANCE)
        return by_rows / self.sizes[:, None] + self.noise

    def scores(self) -> np.ndarray:
        """Return how far each lies from all, (n_windows,)."""
        sampling = self.explained_by_rows(self.means.mean(axis=0))
        variances = sampling + _variance_between(self.means, sampling)
        middle, variance = _weighted_mean(self.means, variances)
        return np.asarray((np.abs(self.means - middle) ** 2 / (variances - variance)).mean(axis=1))

    def scores_of(self, others: WindowMeans) -> np.ndarray:
        """Return how far each of other windows lies from these, (n_others,).

        These alone say where the middle is, and what windows vary by.
        """
        plain = self.means.mean(axis=0)
        sampling = self.explained_by_rows(plain)
        between = _variance_between(self.means, sampling)
        middle, variance = _weighted_mean(self.means, sampling + between)
        variances = others.explained_by_rows(plain) + between + variance
        return np.asarray((np.abs(others.means - middle) ** 2 / variances).mean(axis=1))


def score_windows(windows: Iterable[SketchLike]) -> np.ndarray:
    """Return how far each window lies from all of them, (n_windows,); see `DriftMonitor`.

    Symmetric in the windows, so that ranks are exact where they are exchangeable.
    """
    return WindowMeans.of(windows).scores()


def find_windows_apart(all_of_them: WindowMeans) -> tuple[int, ...]:
    """Return the places of windows that stand far apart from the others, in order.

    The farthest are set aside one by one, one in nine at most. If the last that was set aside
    scores more than 7 times as much against those that stay as any of them does, it stands far
    apart, and so do those before it: several bad windows do not hide each other (after Rosner,
    "Percentage points for a generalized ESD many-outlier procedure", 1983). Scores below 1 count
    as 1, that of a window like the others.
    """
    staying, scores = np.arange(len(all_of_them.sizes)), all_of_them.scores()
    set_aside: list[int] = []
    n_apart = 0
    for _ in range(len(staying) // LEAST_APART):
        farthest = int(np.argmax(scores))
        set_aside.append(int(staying[farthest]))
        staying = np.delete(staying, farthest)
        rest = all_of_them.take(staying)
        scores = rest.scores()
        (score,) = rest.scores_of(all_of_them.take(np.array(set_aside[-1:])))
        if score > FAR * max(1.0, float(scores.max())):
            n_apart = len(set_aside)
    return tuple(sorted(set_aside[:n_apart]))


def _weighted_mean(means: np.ndarray, variances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean (m,) of windows of given variances (n, m), and its variance.

    Small windows say less of it: with equal weights their noise would be in everyone's score.
    """
    precisions = 1.0 / variances
    total = precisions.sum(axis=0)
    return (precisions * means).sum(axis=0) / total, 1.0 / total


def _variance_between(means: np.ndarray, sampling: np.ndarray) -> np.ndarray:
    """Return what windows (n, m) vary by, (m,), more than rows explain.

    DerSimonian and Laird, "Meta-analysis in clinical trials", 1986, for windows of any sizes.
    """
    middle, variance = _weighted_mean(means, sampling)
    excess = np.sum(np.abs(means - middle) ** 2 / sampling, axis=0) - (len(means) - 1)
    precisions = 1.0 / sampling
    scale = np.sum(precisions - precisions**2 * variance, axis=0)
    return np.asarray(np.maximum(excess / scale, 0.0))
