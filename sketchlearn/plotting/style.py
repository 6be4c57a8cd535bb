"""Colours that the colour-blind tell apart, marks that grey print tells apart, and axes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

from sketchlearn.sources.optional import import_optional

# Okabe and Ito, "Color universal design", 2008: in an order in which neighbours differ in
# lightness, too. Yellow is left out, which white paper hides, and black is grey for dark pages.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7A7A7A")
MARKERS = ("o", "s", "^", "D", "v", "X", "*", "<", ">", "p", "h")
# What stands out, what is compared with it, and what lies behind both. Neither black nor white, so
# that they show on both.
DARK = "#1b1f24"  # Upon white marks.
ACCENT, INK, FAINT = "#D55E00", "#0B6FB0", "#8A8F98"


def require_matplotlib() -> Any:
    """Return matplotlib's pyplot, which is needed once something is drawn.

    Raises
    ------
    ImportError
        If matplotlib is not installed; it names the extra that brings it.
    """
    return import_optional("matplotlib.pyplot")


def make_axes(ax: Any) -> Any:
    """Return the axes to draw on: the given ones, or those of a new figure.

    A new figure stays open in the session: it is made when all else has been checked and computed.

    Raises
    ------
    ImportError
        As `require_matplotlib`.
    """
    pyplot = require_matplotlib()
    return pyplot.subplots(layout="constrained")[1] if ax is None else ax


def choose_mark(index: int) -> tuple[str, str]:
    """Return the colour and the mark of the index-th of some classes: no two of 77 are alike."""
    return COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)]


def write_name(name: object) -> str:
    """Return a user's name so that matplotlib draws it as it is, its dollar signs too.

    Between two of them it would read formulas, and stop at what is none.
    """
    return str(name).replace("$", r"\$")


@dataclass(eq=False, repr=False)
class Display:
    """What displays share: `plot`, and a short name in a session, which arrays would drown.

    Attributes
    ----------
    ax_, figure_
        What was drawn on last.
    """

    ax_: Any = field(default=None, init=False)
    figure_: Any = field(default=None, init=False)

    def plot(self, ax: Any = None) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib axes, optional
            What to draw on; by default those of a new figure.

        Returns
        -------
        Display
            Itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.ax_ = make_axes(ax)
        self.figure_ = self.ax_.figure
        self._draw(self.ax_)
        return self

    def _draw(self, ax: Any) -> None:
        """Draw on the axes."""
        raise NotImplementedError

    def __repr__(self) -> str:
        title = "not drawn" if self.ax_ is None else self.ax_.get_title()
        return f"{type(self).__name__}({title!r})"
