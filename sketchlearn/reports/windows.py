"""Groups or sketches as windows: how far they are from others, and which are alarms."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from functools import partial
from typing import Any, TypeVar

from sketchlearn.drift.monitor import count_windows_needed, describe_outliers
from sketchlearn.plotting import DriftDisplay, MonitorDisplay
from sketchlearn.plotting.windows import WindowsDisplay
from sketchlearn.reports.page import write_paragraph
from sketchlearn.reports.pictures import draw_figure, put_side_by_side
from sketchlearn.tables import SketchTable

# Level of the alarms over time.
ALPHA = 0.05

Drawn = TypeVar("Drawn", bound=WindowsDisplay)


def watch_over_time(table: SketchTable, name: str) -> str:
    """Draw what a monitor says of groups that are days, weeks or the like, if they are enough.

    The keys are one column of numbers, dates or times, or of text that reads as dates.
    """
    n_reference = count_windows_needed(ALPHA)
    keys: list[Any] = [key for key in table if key[0] is not None]
    if len(table.by) > 1 or len(keys) <= n_reference or not all(is_time(key[0]) for key in keys):
        return ""
    windows = {str(key[0]): table[key] for key in sorted(keys)}
    display, pictures = _draw_both(
        partial(MonitorDisplay.from_windows, windows, alpha=ALPHA),
        f"{name}: scores of windows, and alarms.",
        f"{name}: how unusual columns' means are, of windows after the reference.",
    )
    alarms = [
        one for one, is_drift in zip(display.names, display.is_drift, strict=True) if is_drift
    ]
    found = f"Alarms: {', '.join(alarms)}." if alarms else "There is no alarm."
    if display.reference_outliers:
        found += f" Beware: {describe_outliers(display.reference_outliers)}."
    return (
        write_paragraph(
            f"By {table.by[0]}, in order: each group is compared with those before it that were no "
            f"alarms. The first {n_reference} are taken to be without drift; of later ones without "
            f"drift, one in {1 / ALPHA:.0f} is an alarm. {found}"
        )
        + pictures
    )


def is_time(key: Any) -> bool:
    """Whether a key of a group is a number, a date or a time, or reads as a date."""
    if isinstance(key, str):
        try:
            date.fromisoformat(key)
        except ValueError:
            return False
        return True
    return isinstance(key, int | date | datetime) and not isinstance(key, bool)


def draw_drift(windows: Any, name: str, reference: Any) -> tuple[DriftDisplay, str]:
    """Draw windows against a reference, and their columns where there are moments."""
    what = "the first" if reference == "first" else "all others"
    return _draw_both(
        partial(DriftDisplay.from_windows, windows, reference=reference),
        f"{name}: distances to {what}, over what chance would make them.",
        f"{name}: how far columns' means are from those of {what}.",
    )


def _draw_both(draw: Callable[..., Drawn], over_time: str, by_column: str) -> tuple[Drawn, str]:
    """Return a display of windows, and its pictures over time and, if it has shifts, by column."""
    displays: list[Drawn] = []
    pictures = [draw_figure(lambda ax: displays.append(draw(ax=ax)), over_time)]
    (display,) = displays
    if display.shifts is not None:
        pictures.append(draw_figure(lambda ax: display.plot(ax, by="column"), by_column))
    return display, put_side_by_side(*pictures)
