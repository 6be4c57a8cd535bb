"""How far windows of rows are from others: over time, and column by column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any, Literal, Self

import numpy as np

from sketchlearn.drift import compare
from sketchlearn.plotting.style import ACCENT, FAINT, INK, require_matplotlib
from sketchlearn.plotting.windows import (
    By,
    WindowsDisplay,
    draw_shifts,
    name_ticks,
    name_windows,
    require_kind,
)
from sketchlearn.sketches.sketch_like import SketchLike

# P-value, corrected for the number of windows, up to which a window differs by more than chance.
ALPHA = 0.05
# What windows are compared with, in words.
AGAINST = {"first": "the first", "others": "all others together"}


@dataclass(eq=False, repr=False)
class DriftDisplay(WindowsDisplay):
    """Distances of windows to a reference, over those of chance; and shifts of their columns.

    A window is a sketch of some rows: a day, a city, a batch. By chance the ratio is about 1, the
    dashed line; circles mark windows that differ by more, at a level of .05 for all windows.
    Large windows nearly always do; what counts is then which lie higher than others, which
    `MonitorDisplay` draws. Against all others together, a window far off is part of what the rest
    are compared with: these may then have circles as well, lower ones.

    Attributes
    ----------
    names : tuple of str
        Of the windows, in order.
    ratios : ndarray of shape (n_windows,)
        Distance to the reference over its standard error, about 1 by chance; nan where the window
        is the reference.
    p_values : ndarray of shape (n_windows,)
        Of the comparisons with the reference, each by itself.
    shifts : ndarray of shape (n_windows, n_features) or None
        Means of columns less the reference's, in its standard deviations; None without moments.
    columns : tuple of str
        Names of the columns.
    against : str
        What each was compared with, as the picture says it.
    by : {"time", "column"}
        Which of both was drawn last.
    ax_, figure_
        What was drawn on last.
    line_, rings_ : Line2D or None
        Ratios, and rings around those beyond chance, where these were drawn.
    image_ : AxesImage or None
        Shifts, a line a column, where these were drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher
    >>> from sketchlearn.plotting import DriftDisplay
    >>> days = np.random.default_rng(0).normal(size=(4, 2000, 2))
    >>> days[3] += 0.5
    >>> sketcher = Sketcher(60, random_state=0).fit(days[0])
    >>> windows = {f"day {i}": sketcher.sketch(day) for i, day in enumerate(days)}
    >>> DriftDisplay.from_windows(windows).ratios[1:].round() > 3
    array([False, False,  True])
    """

    names: tuple[str, ...]
    ratios: np.ndarray
    p_values: np.ndarray
    columns: tuple[str, ...]
    against: str
    line_: Any = field(default=None, init=False, repr=False)
    rings_: Any = field(default=None, init=False, repr=False)

    @classmethod
    def from_windows(
        cls,
        windows: Mapping[Any, SketchLike] | Iterable[SketchLike],
        *,
        reference: SketchLike | Literal["first", "others"] = "first",
        by: By = "time",
        ax: Any = None,
    ) -> Self:
        """Draw windows against a reference.

        Parameters
        ----------
        windows : mapping of names to sketches, SketchTable, or iterable of sketches
            Two at least, of one operator, no row in two of them; in order.
        reference : sketch, "first" or "others", default="first"
            What each is compared with: a sketch of other rows, the first window, or all other
            windows together.
        by : {"time", "column"}, default="time"
            What is drawn: the distances of all waves, window by window; or the shifts of columns.
        ax : matplotlib axes, optional
            What to draw on; by default those of a new figure.

        Returns
        -------
        DriftDisplay
            With ``ax_`` and ``figure_`` set.

        Raises
        ------
        EmptySketchError
            If a sketch holds no rows.
        ImportError
            If matplotlib is not installed.
        SketchMismatchError
            If the sketches are of different operators.
        TypeError, ValueError
            If there are no two sketches, or shifts are asked for and there are no moments.
        """
        require_matplotlib()
        require_kind(by)
        names, sketches = name_windows(windows)
        against = choose_references(sketches, reference)
        pairs = list(zip(against, sketches, strict=True))
        # The first window has nothing to be compared with where it is the reference.
        found = [None if one is other else compare(one, other) for one, other in pairs]
        ratios = [np.nan if one is None else one.ratio for one in found]
        p_values = [1.0 if one is None else one.p_value for one in found]
        shifts = None
        if all(one.moment_kind is not None for pair in pairs for one in pair):
            shifts = np.array([compute_shift(one, other) for one, other in pairs])
        columns = sketches[0].column_names
        told = AGAINST[reference] if isinstance(reference, str) else "the reference"
        display = cls(names, np.array(ratios), np.array(p_values), columns, told, shifts=shifts)
        return display.plot(ax, by=by)

    def _draw(self, ax: Any) -> None:
        self.line_, self.rings_ = self._draw_ratios(ax) if self.by == "time" else (None, None)
        self.image_ = None
        if self.by == "column":
            what = "shift of the mean, standard deviations"
            self.image_ = draw_shifts(ax, np.asarray(self.shifts), self.columns, what)
        name_ticks(ax, self.names)

    def _draw_ratios(self, ax: Any) -> tuple[Any, Any]:
        ax.axhline(1.0, color=FAINT, ls="--", label="about as chance has it")
        (line,) = ax.plot(range(len(self.names)), self.ratios, "o-", color=INK, ms=4)
        beyond = np.flatnonzero(self.p_values <= ALPHA / len(self.names))
        (rings,) = ax.plot(
            beyond,
            self.ratios[beyond],
            "o",
            ms=10,
            mfc="none",
            mec=ACCENT,
            mew=1.5,
            label=f"circle: differs from {self.against}\n"
            f"by more than chance (level {ALPHA:g} for all windows)",
        )
        ax.set(
            xlabel="window",
            ylabel="distance over that of chance",
            title=f"{len(self.names)} windows, each against {self.against}",
            ylim=(0.0, None),
        )
        ax.legend(frameon=False)
        return line, rings


def choose_references(sketches: list[SketchLike], reference: Any) -> list[SketchLike]:
    """Return what each window is compared with."""
    if isinstance(reference, SketchLike):
        return [reference] * len(sketches)
    if reference == "first":
        return [sketches[0]] * len(sketches)
    if reference != "others":
        raise ValueError(f"reference must be a sketch, 'first' or 'others', got {reference!r}")
    # Sums from the left and from the right: private sketches cannot be subtracted.
    before: list[Any] = [None]
    for one in sketches[:-1]:
        before.append(one if before[-1] is None else before[-1] + one)
    after: list[Any] = [None]
    for one in sketches[:0:-1]:
        after.append(one if after[-1] is None else one + after[-1])
    both = zip(before, reversed(after), strict=True)
    return [reduce(add, [part for part in parts if part is not None]) for parts in both]


def compute_shift(reference: SketchLike, window: SketchLike) -> np.ndarray:
    """Return how far columns' means moved (d,), in the reference's standard deviations.

    Of a column that was constant, 0 where it stayed and infinitely far, cut to 1e6, where not.
    """
    moved = window.moments.mean - reference.moments.mean
    deviations = reference.moments.standard_deviation
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = np.where(moved == 0.0, 0.0, moved / deviations)
    return np.asarray(np.clip(shift, -1e6, 1e6))
