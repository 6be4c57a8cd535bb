"""What a monitor says of windows: their scores over time, and how far columns have moved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from scipy.stats import t as student

from sketchlearn.drift import DriftMonitor, DriftReport
from sketchlearn.drift.monitor import check_in_order, count_windows_needed
from sketchlearn.drift.scores import score_windows
from sketchlearn.plotting.style import ACCENT, FAINT, INK, require_matplotlib
from sketchlearn.plotting.windows import (
    MOST_NAMES,
    By,
    WindowsDisplay,
    draw_shifts,
    name_ticks,
    name_windows,
    require_kind,
)
from sketchlearn.sketches.sketch_like import SketchLike

# Largest shift that is drawn: of a column that was constant in the reference, it is infinite.
GREATEST_SHIFT = 1e6
# Level at which the colours of shifts reach beyond what chance makes of all of them.
LEVEL = 0.05
# Reference windows far apart that a title has room for.
MOST_OUTLIERS = 3


@dataclass(eq=False, repr=False)
class MonitorDisplay(WindowsDisplay):
    """Scores of windows under a `DriftMonitor`, with its alarms; or shifts of their columns.

    A score is about 1 where a window is like the reference windows, whose own scores are grey. The
    dashed line is the largest score without an alarm, and alarms have a ring. By column, a shift is
    that of a window's mean from the mean of the reference windows, in standard deviations of their
    means: how unusual it is, not how large. The colours reach at least as far as shifts do by
    chance: all of them, in 19 pictures of 20, if columns vary normally.

    Attributes
    ----------
    names : tuple of str
        Of the windows that were checked, in order.
    scores, thresholds : ndarray of shape (n_windows,)
        As of `DriftReport`.
    is_drift : ndarray of bool of shape (n_windows,)
        Which are alarms.
    reference_scores : ndarray of shape (n_reference,)
        Those of the first reference windows among themselves.
    shifts : ndarray of shape (n_windows, n_features) or None
        Of the columns' means; None without moments.
    columns : tuple of str
        Names of the columns.
    reference_outliers : tuple of str
        Names of reference windows that stand far apart from the others; the title says so.
    by : {"time", "column"}
        Which of both was drawn last.
    ax_, figure_
        What was drawn on last.
    line_, limit_, rings_, reference_ : Line2D or None
        Scores, thresholds, alarms and the reference, where these were drawn.
    image_ : AxesImage or None
        Shifts, a line a column, where these were drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher
    >>> from sketchlearn.plotting import MonitorDisplay
    >>> rng = np.random.default_rng(0)
    >>> days = rng.normal(size=(24, 500, 2)) + rng.normal(scale=0.1, size=(24, 1, 2))
    >>> days[23] += 1.0
    >>> sketcher = Sketcher(40, random_state=0).fit(days[0])
    >>> windows = {f"day {i}": sketcher.sketch(day) for i, day in enumerate(days)}
    >>> display = MonitorDisplay.from_windows(windows)
    >>> display.names[-1], bool(display.is_drift[-1])
    ('day 23', True)
    """

    names: tuple[str, ...]
    scores: np.ndarray
    thresholds: np.ndarray
    is_drift: np.ndarray
    reference_scores: np.ndarray
    columns: tuple[str, ...]
    reference_outliers: tuple[str, ...] = ()
    line_: Any = field(default=None, init=False, repr=False)
    limit_: Any = field(default=None, init=False, repr=False)
    rings_: Any = field(default=None, init=False, repr=False)
    reference_: Any = field(default=None, init=False, repr=False)

    @classmethod
    def from_monitor(
        cls,
        monitor: DriftMonitor,
        windows: Mapping[Any, SketchLike] | Iterable[SketchLike],
        *,
        by: By = "time",
        ax: Any = None,
    ) -> Self:
        """Draw new windows, each checked against a monitor's reference.

        Parameters
        ----------
        monitor : DriftMonitor
            It stays as it is: no window becomes a reference.
        windows : mapping of names to sketches, SketchTable, or iterable of sketches
            One at least, of the monitor's operator; in order.
        by : {"time", "column"}, default="time"
            What is drawn: scores, or shifts of columns.
        ax : matplotlib axes, optional
            What to draw on; by default those of a new figure.

        Returns
        -------
        MonitorDisplay
            With ``ax_`` and ``figure_`` set.

        Raises
        ------
        EmptySketchError, SketchMismatchError
            If a window has no rows, or another operator.
        ImportError
            If matplotlib is not installed.
        TypeError, ValueError
            If there is no window, or shifts are asked for and there are no moments.
        """
        require_matplotlib()
        require_kind(by)
        if not isinstance(monitor, DriftMonitor):
            raise TypeError(f"expected a DriftMonitor, got {type(monitor).__name__}")
        names, sketches = name_windows(windows, least=1)
        reports = [monitor.check(one) for one in sketches]
        return cls._of(names, sketches, reports, monitor.windows).plot(ax, by=by)

    @classmethod
    def from_windows(
        cls,
        windows: Mapping[Any, SketchLike] | Iterable[SketchLike],
        *,
        n_reference: int | None = None,
        alpha: float = 0.05,
        by: By = "time",
        ax: Any = None,
    ) -> Self:
        """Draw windows in order, each checked against those before it that were no alarms.

        Parameters
        ----------
        windows : mapping of names to sketches, SketchTable, or iterable of sketches
            In order of time, of one operator, no row in two of them.
        n_reference : int, optional
            How many of the first are known to be without drift; by default as many as ``alpha``
            needs, 19 at .05.
        alpha : float, default=0.05
            As of `DriftMonitor`.
        by : {"time", "column"}, default="time"
            What is drawn: scores, or shifts of columns.
        ax : matplotlib axes, optional
            What to draw on; by default those of a new figure.

        Returns
        -------
        MonitorDisplay
            With ``ax_`` and ``figure_`` set.

        Raises
        ------
        EmptySketchError, SketchMismatchError
            If a window has no rows, or another operator.
        ImportError
            If matplotlib is not installed.
        TypeError, ValueError
            If there are too few windows, or shifts are asked for and there are no moments.
        """
        require_matplotlib()
        require_kind(by)
        needed = count_windows_needed(alpha)
        n = needed if n_reference is None else n_reference
        names, sketches = name_windows(windows)
        reports = check_in_order(names, sketches, n, alpha)
        return cls._of(names[n:], sketches[n:], reports, sketches[:n]).plot(ax, by=by)

    @classmethod
    def _of(
        cls,
        names: Sequence[str],
        windows: Sequence[SketchLike],
        reports: Sequence[DriftReport],
        reference: Sequence[SketchLike],
    ) -> Self:
        shifts = None
        if all(one.moment_kind is not None for one in (*windows, *reference)):
            shifts = compute_unusual_shifts(windows, reference)
        return cls(
            tuple(names),
            np.array([each.score for each in reports]),
            np.array([each.threshold for each in reports]),
            np.array([each.is_drift for each in reports]),
            score_windows(reference),
            windows[0].column_names,
            tuple(map(str, reports[0].reference_outliers)),
            shifts=shifts,
        )

    def _draw(self, ax: Any) -> None:
        self.line_ = self.limit_ = self.rings_ = self.reference_ = self.image_ = None
        if self.by == "time":
            self._draw_scores(ax)
            # They have the part of the axis that is right of the reference.
            name_ticks(ax, self.names, MOST_NAMES // 2)
        else:
            shifts = np.asarray(self.shifts)
            chance = reach_of_chance(shifts.size, len(self.reference_scores))
            what = f"shift, in deviations of the reference\n(by chance within ± {chance:.1f})"
            self.image_ = draw_shifts(ax, shifts, self.columns, what, least_reach=chance)
            name_ticks(ax, self.names)
        if self.reference_outliers:
            told = ", ".join(self.reference_outliers[:MOST_OUTLIERS])
            more = len(self.reference_outliers) - MOST_OUTLIERS
            told += f" and {more} more" if more > 0 else ""
            ax.set_title(f"{ax.get_title()}\nfar apart in the reference: {told}")

    def _draw_scores(self, ax: Any) -> None:
        """Draw the reference on the left, and each window that was checked after it."""
        n, n_before = len(self.names), len(self.reference_scores)
        places, alarms = np.arange(n), np.flatnonzero(self.is_drift)
        (self.reference_,) = ax.plot(
            np.arange(-n_before, 0), self.reference_scores, ".", color=FAINT, label="reference"
        )
        (self.line_,) = ax.plot(places, self.scores, "o-", color=INK, ms=4, label="score")
        (self.limit_,) = ax.plot(
            places, self.thresholds, "--", color=FAINT, label="largest without alarm"
        )
        (self.rings_,) = ax.plot(
            alarms, self.scores[alarms], "o", ms=10, mfc="none", mec=ACCENT, mew=1.5, label="alarm"
        )
        ax.set_yscale("log")
        ax.yaxis.get_major_locator().set_params(subs=(1.0, 2.0, 5.0))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter("")
        n_alarms = len(alarms)
        ax.set(
            xlabel="window",
            ylabel="score: 1 is like the reference",
            title=f"{_count(n_alarms, 'alarm')} in {_count(n, 'window')}",
        )
        ax.legend(frameon=False)


def compute_unusual_shifts(
    windows: Sequence[SketchLike], reference: Sequence[SketchLike]
) -> np.ndarray:
    """Return how far columns' means (n_windows, d) are from those of reference windows.

    In standard deviations of these; of a column that had none, 0 where it stayed, and infinitely
    far, cut to 1e6, where not.
    """
    before = np.array([one.moments.mean for one in reference])
    moved = np.array([one.moments.mean for one in windows]) - before.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        shifts = np.where(moved == 0.0, 0.0, moved / before.std(axis=0, ddof=1))
    return np.asarray(np.clip(shifts, -GREATEST_SHIFT, GREATEST_SHIFT))


def reach_of_chance(n_shifts: int, n_reference: int) -> float:
    r"""Return how far the farthest of several unusual shifts is by chance, at a level of .05.

    A new mean less that of n others, over their standard deviation, is :math:`\sqrt{1 + 1/n}` times
    Student's t of n - 1 degrees of freedom where means are normal; of several by Bonferroni.
    """
    quantile = student.isf(LEVEL / (2.0 * n_shifts), n_reference - 1)
    return float(quantile * np.sqrt(1.0 + 1.0 / n_reference))


def _count(n: int, what: str) -> str:
    """Return a number of things in words."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"
