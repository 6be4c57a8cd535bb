"""What accuracy costs: methods by cost and error, and those that no other beats in both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from sketchlearn._validation import check_numbers
from sketchlearn.plotting.style import FAINT, Display, choose_mark, require_matplotlib, write_name

# Ratio of the largest to the least from which an axis is logarithmic.
WIDE = 20.0


@dataclass(eq=False, repr=False)
class FrontDisplay(Display):
    """Costs and errors of methods, and their Pareto front.

    A method is on the front if no other has both a cost and an error that are no larger, and one
    of them smaller.

    Attributes
    ----------
    costs, errors : ndarray of shape (n,)
        Both the smaller the better.
    methods : tuple of str
        Whose they are; a method may come several times.
    names : tuple of two str
        What costs and errors are called.
    ax_, figure_
        What was drawn on last.
    scatters_ : list of PathCollection
        One a method.
    front_ : Line2D
        The front, a staircase.

    Examples
    --------
    >>> from sketchlearn.plotting import FrontDisplay
    >>> table = {"kB": [1, 2, 3], "error": [0.5, 0.6, 0.1], "method": ["a", "b", "a"]}
    >>> FrontDisplay.from_table(table, cost="kB", error="error", method="method").is_on_front
    array([ True, False,  True])
    """

    costs: np.ndarray
    errors: np.ndarray
    methods: tuple[str, ...]
    names: tuple[str, str]
    scatters_: list[Any] = field(default_factory=list, init=False, repr=False)
    front_: Any = field(default=None, init=False, repr=False)

    @property
    def is_on_front(self) -> np.ndarray:
        """Whether each entry is beaten by no other, (n,) bool."""
        no_larger = (self.costs[:, None] <= self.costs) & (self.errors[:, None] <= self.errors)
        smaller = (self.costs[:, None] < self.costs) | (self.errors[:, None] < self.errors)
        return ~np.any(no_larger & smaller, axis=0)

    @classmethod
    def from_table(
        cls, table: Mapping[str, Any], *, cost: str, error: str, method: str, ax: Any = None
    ) -> Self:
        """Draw a table of costs and errors.

        Parameters
        ----------
        table : data frame, or mapping of names to columns
            A row for each run of a method.
        cost, error, method : str
            Names of the columns: of what it costs, of how wrong it is, and of whose they are.
        ax : matplotlib axes, optional
            What to draw on; by default those of a new figure.

        Returns
        -------
        FrontDisplay
            With ``ax_`` and ``figure_`` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError, ValueError
            If a column is missing, or costs and errors are not as many finite numbers.
        """
        require_matplotlib()
        if missing := [name for name in (cost, error, method) if name not in table]:
            raise ValueError(f"the table has no column {missing[0]!r}; it has {', '.join(table)}")
        costs, errors = (check_numbers(table[name], name) for name in (cost, error))
        methods = tuple(map(str, table[method]))
        if not costs.shape == errors.shape == (len(methods),) or not methods:
            raise ValueError(
                "the columns must be of one length, at least one, got "
                f"{costs.shape}, {errors.shape} and {(len(methods),)}"
            )
        if not np.isfinite([costs, errors]).all():
            raise ValueError(f"{cost} and {error} must be finite: leave out runs that failed")
        return cls(costs, errors, methods, (cost, error)).plot(ax)

    def _draw(self, ax: Any) -> None:
        on_front = self.is_on_front
        order = np.flatnonzero(on_front)[np.argsort(self.costs[on_front], kind="stable")]
        (self.front_,) = ax.plot(
            self.costs[order],
            self.errors[order],
            drawstyle="steps-post",
            color=FAINT,
            lw=2,
            label="best so far",
        )
        self.scatters_ = []
        names = np.array(self.methods)
        for k, name in enumerate(dict.fromkeys(self.methods)):
            color, marker = choose_mark(k)
            own = names == name
            faces = np.where(on_front[own], color, "none")
            self.scatters_.append(
                ax.scatter(
                    self.costs[own],
                    self.errors[own],
                    s=42,
                    marker=marker,
                    facecolors=faces,
                    edgecolors=color,
                    zorder=3,
                    label=write_label(name),
                )
            )
        for set_scale, values in ((ax.set_xscale, self.costs), (ax.set_yscale, self.errors)):
            if values.min() > 0 and values.max() > WIDE * values.min():
                set_scale("log")
        n_front = int(on_front.sum())
        ax.set(
            xlabel=write_name(self.names[0]),
            ylabel=write_name(self.names[1]),
            title=f"{n_front} of {len(self.costs)} are beaten by no other (filled)",
        )
        ax.legend(frameon=False)


def write_label(method: str) -> str:
    """Return a method's name for the legend, which leaves out what is empty or starts with "_"."""
    space = " " if method[:1] in ("", "_") else ""
    return space + write_name(method)
