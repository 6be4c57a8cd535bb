"""Rows that leave a box which clips: how many numbers were moved to its sides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from sketchlearn._caller import warn_caller
from sketchlearn.frequencies import Domain
from sketchlearn.sketching.sizes import name_columns

# Share of a column's numbers from which it is said that they were moved. Of six clusters in five
# columns k-means' sum of squares was 1 % above the best where it was .05 in the worst column, 6 %
# where it was .13, and twice the best where it was .32.
MANY = 0.1
# Numbers of a column that must have been moved: a share of fewer would tell of single rows.
FEWEST = 100


class Cutter:
    """Moves rows into a domain's box where it clips, and counts by column what was moved.

    Not shared among threads.

    Parameters
    ----------
    domain : Domain
        Of the operator.

    Attributes
    ----------
    n_cut : ndarray of shape (n_features,) int64
        Numbers that were moved, by column.
    """

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self.n_cut = np.zeros(domain.n_features, np.int64)

    def cut(self, rows: np.ndarray) -> np.ndarray:
        """Return rows (n, n_features), those outside the box moved to it if the domain clips."""
        inside = self._domain.clip(rows)
        if inside is not rows:
            self.n_cut += np.count_nonzero(inside != rows, axis=0)
        return inside


def add_cuts(domain: Domain, counts: Iterable[np.ndarray]) -> np.ndarray:
    """Return the sum of counts by column (n_features,), as of threads; zeros if there are none."""
    return np.sum([np.zeros(domain.n_features, np.int64), *counts], axis=0)


def warn_of_cut(domain: Domain, n_cut: np.ndarray, n_rows: int, names: Any = None) -> None:
    """Warn if so many numbers of a column were moved that what is decoded lies at the box's sides.

    Parameters
    ----------
    domain : Domain
        Of the operator.
    n_cut : ndarray of shape (n_features,)
        Numbers that were moved, by column, of all `Cutter`s.
    n_rows : int
        How many rows there were.
    names : sequence of str, optional
        Names of the columns.
    """
    if not domain.clips or not n_rows:
        return
    shares = n_cut / n_rows
    columns = np.flatnonzero((shares > MANY) & (n_cut >= FEWEST))
    if not len(columns):
        return
    columns = columns[np.argsort(-shares[columns], kind="stable")]
    where = name_columns(columns, names)
    box = "box" if domain.radius is None else "box and radius"
    warn_caller(
        f"the {box} that rows are clipped to cut {shares.max():.0%} of the numbers of {where}: "
        f"clusters outside are found at its sides, and the sketch does not tell. Declare a wider "
        f"{box} and sketch the rows again. This share, which is the rows', is not private.",
        UserWarning,
    )
