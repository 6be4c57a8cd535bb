"""Whether a new window of rows differs from earlier ones by more than these differ themselves."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from typing import Any, final

import numpy as np

from sketchlearn._caller import warn_caller
from sketchlearn._validation import check_count, check_positive
from sketchlearn.drift.comparison import Comparison, compare
from sketchlearn.drift.scores import WindowMeans, find_windows_apart
from sketchlearn.exceptions import EmptySketchError, SketchMismatchError
from sketchlearn.sketches.sketch_like import SketchLike, describe_no_sketch


@final
@dataclass(frozen=True, eq=False, repr=False)
class DriftReport:
    """What a monitor says of one window.

    Attributes
    ----------
    p_value : float
        The window's rank among the reference windows: how many of them, and itself, lie at least
        as far off, over their number and one.
    score : float
        How far off it lies: squared distance of its waves to the mean of all windows, each over
        the variance that windows of its size have; about 1 for a window like the others.
    threshold : float
        The largest score without an alarm.
    is_drift : bool
        Whether the p-value is at most the monitor's level.
    comparison : Comparison
        Of all reference windows together with this one: which columns moved, effect size, witness.
        Its p-value is about single rows, and tiny for large windows whatever the day.
    reference_outliers : tuple
        Keys or places of reference windows that stand far apart from the others: while they are
        among these, windows that drifted less than they did may be no alarms.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import DriftMonitor, Sketcher
    >>> X = np.random.default_rng(0).normal(size=(20, 500, 1))
    >>> sketcher = Sketcher(20, random_state=0).fit(X[0])
    >>> report = DriftMonitor(map(sketcher.sketch, X[:19])).check(sketcher.sketch(X[19] + 1.0))
    >>> report.p_value, report.is_drift
    (0.05, True)
    """

    p_value: float
    score: float
    threshold: float
    is_drift: bool
    comparison: Comparison
    reference_outliers: tuple[Hashable, ...] = ()

    def __repr__(self) -> str:
        return (
            f"DriftReport(p_value={self.p_value:.3g}, score={self.score:.4g}, "
            f"threshold={self.threshold:.4g}, is_drift={self.is_drift}"
            f"{_tell_outliers(self.reference_outliers)})"
        )


@final
class DriftMonitor:
    r"""Compare new windows with reference windows by how much those vary from one to the next.

    A million rows a day differ from those of any other day by more than chance between rows makes,
    every day. What counts is how much days differ among themselves. A window's score is

    .. math:: s_i = \frac1m \sum_j \frac{|z_{ij} - \bar z_j|^2}{v_{ij} - u_j}, \quad
        v_{ij} = \tau_j^2 + (1 - |z_j|^2) / n_i, \quad 1 / u_j = \sum_i 1 / v_{ij}

    with :math:`\bar z` the mean of all windows, the new one among them, weighted by :math:`1 / v`,
    :math:`z` the plain mean, :math:`n_i` a window's rows and :math:`\tau^2` what windows vary by
    more than rows explain. The p-value is the rank of the new window's score among all: conformal,
    thus right whatever the distribution, as long as the windows are exchangeable, the new one
    included (Vovk, Gammerman and Shafer, "Algorithmic learning in a random world", 2005, section
    2.2). A trend or a season among them breaks that: take windows that are alike, Mondays for a
    Monday. So does, in part, a window of many times as many rows as those of the reference, or as
    few: scores are of one size then, not of one distribution.

    Parameters
    ----------
    reference : mapping of keys to sketches, or iterable of sketches
        Windows without drift, of one operator, no row in two of them. At least 1/alpha - 1 of them.
        One that did drift hides later drift: of nine windows or more, those that stand far apart
        are found (`reference_outliers`).
    alpha : float, default=0.05
        The level: this share of windows without drift are alarms. Of 365 days, 18 at .05.

    Raises
    ------
    TypeError
        If these are no sketches.
    ValueError
        If alpha is not between 0 and 1, or there are too few windows for a p-value as small.
    EmptySketchError, SketchMismatchError
        If a window has no rows, or another operator.

    Warns
    -----
    UserWarning
        If reference windows stand far apart from the others.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import DriftMonitor, Sketcher
    >>> rng = np.random.default_rng(0)
    >>> def draw_day(shift=0.0):
    ...     return rng.normal(rng.normal(shift, 0.1), 1.0, size=(2000, 2))
    >>> sketcher = Sketcher(100, paired=True, random_state=0).fit(draw_day())
    >>> monitor = DriftMonitor([sketcher.sketch(draw_day()) for _ in range(30)])
    >>> monitor.check(sketcher.sketch(draw_day())).is_drift
    False
    >>> monitor.check(sketcher.sketch(draw_day(shift=0.8))).is_drift
    True
    """

    def __init__(
        self,
        reference: Mapping[Hashable, SketchLike] | Iterable[SketchLike],
        *,
        alpha: float = 0.05,
    ) -> None:
        least = count_windows_needed(alpha)
        self.alpha = float(alpha)
        if isinstance(reference, SketchLike) or not isinstance(reference, Iterable):
            raise TypeError(
                f"expected a list of windows, or a mapping to them, got {type(reference).__name__}"
            )
        windows = reference.values() if isinstance(reference, Mapping) else reference
        self._windows: tuple[SketchLike, ...] = tuple(windows)
        keys = tuple(reference) if isinstance(reference, Mapping) else range(len(self._windows))
        for window in self._windows:
            self._check_window(window, f"a {type(reference).__name__} of windows")
        if len(self._windows) < least:
            raise ValueError(
                f"alpha={alpha:g} needs at least {least} reference windows, got "
                f"{len(self._windows)}: with fewer no rank is so small; give more windows, or a "
                "larger alpha"
            )
        self._means = WindowMeans.of(self._windows)
        self._outliers = tuple(keys[i] for i in find_windows_apart(self._means))
        if self._outliers:
            warn_caller(describe_outliers(self._outliers), UserWarning)

    @property
    def windows(self) -> tuple[SketchLike, ...]:
        """The reference windows."""
        return self._windows

    @property
    def reference_outliers(self) -> tuple[Hashable, ...]:
        """Keys of the reference windows that stand far apart from the others, or their places.

        Places are counted from 0. Found when the monitor is made: the score of such a window
        against the others is more than 7 times the largest of theirs. By chance that is so in 2 %
        at most of simulated references of 20 to 60 windows, of normal or log-normal variation.
        """
        return self._outliers

    @cached_property
    def total(self) -> SketchLike:
        """All reference windows together."""
        return reduce(add, self._windows)

    def check(self, window: SketchLike) -> DriftReport:
        """Return whether a new window differs from the reference windows more than these do.

        Parameters
        ----------
        window : Sketch or PrivateSketch
            Of the same operator; none of its rows is in a reference window.

        Returns
        -------
        DriftReport
            P-value, score, threshold, and the comparison with all reference windows.

        Raises
        ------
        TypeError, EmptySketchError, SketchMismatchError
            If it is no sketch, has no rows, or has another operator.
        """
        self._check_window(window)
        scores = self._means.join(WindowMeans.of([window])).scores()
        score, others = float(scores[-1]), scores[:-1]
        p_value = (1 + int(np.sum(others >= score))) / (len(others) + 1)
        # The rank of the largest score that is no alarm, from above.
        n_alarms = math.floor(self.alpha * (len(others) + 1) + 1e-9)
        threshold = float(np.sort(others)[len(others) - n_alarms])
        comparison = compare(self.total, window)
        is_drift = p_value <= self.alpha + 1e-12
        return DriftReport(p_value, score, threshold, is_drift, comparison, self._outliers)

    def extended(self, window: SketchLike) -> DriftMonitor:
        """Return a monitor that has one more reference window."""
        self._check_window(window)
        # A copy, since the outliers among the first windows were told when it was made.
        longer = copy(self)
        longer._windows = (*self._windows, window)
        longer._means = self._means.join(WindowMeans.of([window]))
        # Not added up anew: a stream that is watched would take time that grows with its square.
        longer.total = add(self.total, window)
        return longer

    def _check_window(self, window: Any, what: str = "windows") -> None:
        """Refuse what cannot be compared with the reference windows."""
        if not isinstance(window, SketchLike):
            raise TypeError(f"expected {what} that are sketches, {describe_no_sketch(window)}")
        if window.n_samples == 0:
            raise EmptySketchError("a window without rows cannot be compared")
        if window.fingerprint != self._windows[0].fingerprint:
            raise SketchMismatchError(
                f"the windows were sketched with different operators: "
                f"{self._windows[0].operator!r} and {window.operator!r}; sketch all with the same "
                "fitted Sketcher"
            )

    def __repr__(self) -> str:
        return (
            f"DriftMonitor({len(self._windows)} reference windows, alpha={self.alpha:g}"
            f"{_tell_outliers(self._outliers)})"
        )


def check_in_order(
    names: Sequence[str], windows: Sequence[SketchLike], n_reference: int, alpha: float
) -> list[DriftReport]:
    """Return reports on the windows after the first ones, each against the quiet ones before it.

    The first ``n_reference`` are taken to be without drift. A later one that is an alarm does not
    become a reference. Names are those that a warning of outliers among the first has.

    Raises
    ------
    TypeError, ValueError
        If ``n_reference`` is no number of windows, there is none beside these, or they are too few
        for alpha.
    """
    if len(windows) <= check_count(n_reference, "n_reference"):
        raise ValueError(
            f"{n_reference} reference windows and one more are needed at alpha={alpha:g}, got "
            f"{len(windows)} windows in all: give more, or a larger alpha, which needs fewer"
        )
    # Places where names are not unique: none of the windows may be lost.
    keys: Sequence[Hashable] = names if len(set(names)) == len(names) else range(len(names))
    first = dict(zip(keys[:n_reference], windows[:n_reference], strict=True))
    monitor, reports = DriftMonitor(first, alpha=alpha), []
    for window in windows[n_reference:]:
        reports.append(monitor.check(window))
        if not reports[-1].is_drift:
            monitor = monitor.extended(window)
    return reports


def count_windows_needed(alpha: float) -> int:
    """Return how many reference windows a p-value of at most alpha needs.

    Raises
    ------
    TypeError, ValueError
        If alpha is no number between 0 and 1.
    """
    if check_positive(alpha, "alpha") >= 1.0:
        raise ValueError(f"alpha must be between 0 and 1, got {alpha}")
    return max(math.ceil(1.0 / alpha - 1e-9) - 1, 2)


def describe_outliers(keys: Sequence[Hashable]) -> str:
    """Return what to know of reference windows that stand far apart, and what to do."""
    several = len(keys) > 1
    return (
        f"reference window{'s' if several else ''} {', '.join(map(str, keys))} "
        f"{'stand' if several else 'stands'} far apart from the other reference windows, and may "
        f"hide later drift: leave {'them' if several else 'it'} out of the reference if "
        f"{'they are' if several else 'it is'} known to have drifted"
    )


def _tell_outliers(keys: Sequence[Hashable]) -> str:
    """Return what representations add where there are such windows."""
    return f", reference_outliers={tuple(keys)!r}" if keys else ""
