"""What pictures of windows of rows share: scores over time, or shifts of columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np

from sketchlearn.plotting.style import Display, write_name
from sketchlearn.sketches.sketch_like import SketchLike, describe_no_sketch
from sketchlearn.sources.row_keys import spell_value

# Columns that a picture has room for: those that moved most. And names of windows.
MOST_COLUMNS, MOST_NAMES = 20, 12

By = Literal["time", "column"]


@dataclass(eq=False, repr=False)
class WindowsDisplay(Display):
    """Windows in order, drawn over time or column by column.

    Attributes
    ----------
    shifts : ndarray of shape (n_windows, n_features) or None
        Of the columns' means; None without moments.
    by : {"time", "column"}
        Which of both was drawn last.
    image_ : AxesImage or None
        Shifts, a line a column, where these were drawn.
    """

    shifts: np.ndarray | None = field(kw_only=True)
    by: By = field(default="time", init=False)
    image_: Any = field(default=None, init=False, repr=False)

    def plot(self, ax: Any = None, *, by: By = "time") -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib axes, optional
            What to draw on; by default those of a new figure.
        by : {"time", "column"}, default="time"
            What to draw.

        Returns
        -------
        WindowsDisplay
            Itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If ``by`` is neither, or shifts are asked for and there are no moments.
        """
        require_kind(by)
        require_shifts(by, self.shifts)
        self.by = by
        return super().plot(ax)


def require_kind(by: str) -> None:
    """Refuse, by a ValueError, a kind of picture that there is not."""
    if by not in ("time", "column"):
        raise ValueError(f"by must be 'time' or 'column', got {by!r}")


def require_shifts(by: str, shifts: np.ndarray | None) -> None:
    """Refuse, by a ValueError, a picture of columns where there are no moments to draw them by."""
    if by == "column" and shifts is None:
        raise ValueError(
            "the sketches have no moments to tell columns apart by: sketch with "
            "moments='diagonal' or 'full', or draw by='time'"
        )


def name_ticks(ax: Any, names: Sequence[str], most: int = MOST_NAMES) -> None:
    """Name the windows along the axis; some only, where all would overlap."""
    step = -(-len(names) // most)
    shown = [write_name(name) for name in names[::step]]
    ax.set_xticks(range(0, len(names), step), shown, rotation=45, ha="right")


def draw_shifts(
    ax: Any, shifts: np.ndarray, columns: Sequence[str], what: str, *, least_reach: float = 1e-12
) -> Any:
    """Draw shifts (n_windows, d) of the columns that moved most, blue below and orange above.

    The colours reach as far as the largest of them, and at least as far as it is said.
    """
    from matplotlib.colors import LinearSegmentedColormap

    most = np.argsort(-np.abs(shifts).max(axis=0), kind="stable")[:MOST_COLUMNS]
    shown = np.sort(most)
    reach = max(float(np.abs(shifts[:, shown]).max()), least_reach)
    colors = LinearSegmentedColormap.from_list("shifts", ["#0072B2", "#f2f2f2", "#D55E00"])
    image = ax.imshow(shifts[:, shown].T, cmap=colors, vmin=-reach, vmax=reach, aspect="auto")
    ax.set_yticks(range(len(shown)), [write_name(columns[i]) for i in shown])
    ax.figure.colorbar(image, ax=ax, label=what)
    left_out = len(columns) - len(shown)
    title = "shifts of columns"
    if left_out:
        title += f", but for the {left_out} that moved least"
    ax.set(xlabel="window", title=title)
    return image


def name_windows(windows: Any, least: int = 2) -> tuple[tuple[str, ...], list[SketchLike]]:
    """Return names and sketches of windows; a TypeError or ValueError if they are too few."""
    if isinstance(windows, Mapping):
        names = [
            ", ".join(map(spell_value, key)) if isinstance(key, tuple) else str(key)
            for key in windows
        ]
        sketches = list(windows.values())
    else:
        sketches = list(windows)
        names = [str(i) for i in range(len(sketches))]
    for one in sketches:
        if not isinstance(one, SketchLike):
            raise TypeError(f"expected windows that are sketches, {describe_no_sketch(one)}")
    if len(sketches) < least:
        wanted = "two windows" if least == 2 else "one window"
        raise ValueError(f"expected {wanted} at least, got {len(sketches)}")
    return tuple(names), sketches
