"""Which entries of a product which units reach, and why some supports have no best product."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from sketchlearn.factorization import SupportVerdict, check_supports
from sketchlearn.plotting.style import ACCENT, Display, choose_mark, require_matplotlib

# Blocks that a legend names at most.
MOST_NAMED = 16
EXPLAINED = {
    "closed": "closed: every matrix has a nearest product",
    "not closed": "not closed: the crosses are a matrix without one",
    "unknown": "unknown: neither certificate decides",
}


@dataclass(eq=False, repr=False)
class SupportsDisplay(Display):
    """Entries of the products of factors with fixed supports, and what `check_supports` finds.

    The darker an entry, the more units (columns of the left factor, rows of the right) reach it.
    Where the supports are closed, the marks tell which units fit an entry. Where they are not,
    crosses mark the rows and columns of the witness; the matrix that has no nearest product is one
    at the large crosses and zero elsewhere.

    Attributes
    ----------
    counts : ndarray of shape (m, n)
        How many units reach each entry.
    verdict : SupportVerdict
        What was found.
    ax_, figure_
        What was drawn on last.
    image_ : AxesImage
        The counts.
    blocks_ : list of PathCollection
        One a block, where supports are closed: its entries.
    witness_ : PathCollection or None
        Entries of the witness, where they are not closed.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.plotting import SupportsDisplay
    >>> lower = np.tril(np.ones((3, 3)))
    >>> display = SupportsDisplay.from_supports(lower, lower.T)
    >>> display.verdict.status, len(display.witness_.get_offsets())
    ('not closed', 4)
    """

    counts: np.ndarray
    verdict: SupportVerdict
    image_: Any = field(default=None, init=False, repr=False)
    blocks_: list[Any] = field(default_factory=list, init=False, repr=False)
    witness_: Any = field(default=None, init=False, repr=False)

    @classmethod
    def from_supports(cls, left: np.ndarray, right: np.ndarray, *, ax: Any = None) -> Self:
        """Check two supports, and draw what was found.

        Parameters
        ----------
        left : array-like of shape (m, r)
            Of zeros and ones: where the left factor may be nonzero.
        right : array-like of shape (r, n)
            Where the right one may.
        ax : matplotlib axes, optional
            What to draw on; by default those of a new figure.

        Returns
        -------
        SupportsDisplay
            With ``ax_`` and ``figure_`` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError, ValueError
            As by `check_supports`.
        """
        require_matplotlib()
        verdict = check_supports(left, right)
        counts = np.asarray(left, dtype=np.int64) @ np.asarray(right, dtype=np.int64)
        return cls(counts, verdict).plot(ax)

    def _draw(self, ax: Any) -> None:
        # Half of the range, so that what is drawn upon it shows.
        self.image_ = ax.imshow(
            self.counts, cmap="Greys", vmin=0, vmax=2 * max(1, self.counts.max()), aspect="equal"
        )
        n_blocks = len(self.verdict.blocks)
        self.blocks_ = [self._draw_block(ax, k) for k in range(n_blocks)]
        self.witness_ = self._draw_witness(ax)
        if 0 < n_blocks <= MOST_NAMED:
            ax.legend(frameon=False, bbox_to_anchor=(1.0, 1.0), loc="upper left")
        ax.set(xlabel="column of the product", ylabel="row", title=EXPLAINED[self.verdict.status])
        for axis in (ax.xaxis, ax.yaxis):
            axis.get_major_locator().set_params(integer=True)

    def _draw_block(self, ax: Any, k: int) -> Any:
        """Mark the entries that a block's units fit."""
        block = self.verdict.blocks[k]
        color, marker = choose_mark(k)
        own_rows, own_columns = np.nonzero(block.own)
        units = "unit" if len(block.units) == 1 else "units"
        return ax.scatter(
            block.columns[own_columns],
            block.rows[own_rows],
            s=70,
            color=color,
            marker=marker,
            linewidths=0,
            label=f"{units} {', '.join(map(str, block.units))}",
        )

    def _draw_witness(self, ax: Any) -> Any:
        """Mark the entries where a witness's rows and columns meet."""
        witness, target = self.verdict.witness, self.verdict.target
        if witness is None or target is None:
            return None
        rows, columns = np.meshgrid(witness.rows, witness.columns, indexing="ij")
        sizes = np.where(target[rows, columns] > 0, 160, 25)
        return ax.scatter(columns.ravel(), rows.ravel(), s=sizes.ravel(), marker="x", color=ACCENT)
