"""Why the products of factors with fixed supports are no closed set: what to look for, and proofs.

A witness comes with a matrix that is no product and factors whose products come ever closer to it;
the guide to sparse factors proves both.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, islice
from typing import NamedTuple

import numpy as np

# Sets of rows that the search for corners of two or more equal units looks at, in all classes.
MOST_SETS = 400


class Witness(NamedTuple):
    """Why a pair of supports is not closed: a corner, or two units that merge.

    Parameters
    ----------
    units : tuple of int
        Corner: the q units of one rectangle. Merging: two units i and j.
    rows, columns : tuple of int
        Corner: q + 1 of each. Of these entries, no other unit reaches any but the last row's last
        column. Merging: two rows and three columns; both rows' first column is reached by i alone,
        their last by j alone, the middle one by both and nobody else. Or three rows and two
        columns, the same transposed.
    covering_unit : int or None
        Corner: a unit that reaches that last entry too. Merging: None.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.factorization import check_supports
    >>> lower = np.tril(np.ones((2, 2)))
    >>> check_supports(lower, lower.T).witness.covering_unit
    1
    """

    units: tuple[int, ...]
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    covering_unit: int | None


def find_corner(
    own: np.ndarray, q: int, most_sets: int
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Find q + 1 rows and columns that are all `own` but for the last row's last column.

    For q = 1 a witness is found if there is one, and there is none just where rows of `own` are
    equal or disjoint; for larger q the search is cut off after `most_sets` sets of rows.
    """
    if not own.any() or own.all() or min(own.shape) <= q:
        return None
    whole = own.astype(np.float32)
    if q == 1:
        common = whole @ whole.T
        n = np.diag(common)
        # Row r1 has a column that it shares with r2, and one that it does not.
        found = np.argwhere((common > 0) & (common < n[:, None]))
        if not len(found):
            return None
        r1, r2 = (int(r) for r in found[0])
        shared = int(np.flatnonzero(own[r1] & own[r2])[0])
        other = int(np.flatnonzero(own[r1] & ~own[r2])[0])
        return (r1, r2), (shared, other)
    for chosen, common in islice(_grow_sets(own, q, (), np.ones(own.shape[1], bool)), most_sets):
        if len(chosen) < q:
            continue
        # The last row has q of the columns that all share, and lacks one.
        held = whole @ common
        for last in np.flatnonzero((held >= q) & (held < common.sum())):
            kept = np.flatnonzero(common & own[last])[:q]
            lacking = np.flatnonzero(common & ~own[last])[0]
            return (*chosen, int(last)), (*(int(c) for c in kept), int(lacking))
    return None


def _grow_sets(
    own: np.ndarray,
    q: int,
    chosen: tuple[int, ...],
    shared: np.ndarray,
    others: np.ndarray | None = None,
) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """Yield sets of up to q rows that share q + 1 columns, and these: those of most columns first.

    Each set comes once, after the smaller one that it grew from; `others` may still join it.
    """
    yield chosen, shared
    n_more = q - len(chosen)
    if n_more == 0:
        return
    others = np.arange(len(own)) if others is None else others
    held = (own[others] & shared).sum(axis=1)
    others = others[np.argsort(held, kind="stable")[np.count_nonzero(held <= q) :]]
    for place in range(len(others) - 1, n_more - 2, -1):
        row = int(others[place])
        yield from _grow_sets(own, q, (*chosen, row), shared & own[row], others[:place])


def reached_alone(
    left: np.ndarray, right: np.ndarray, cover: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows and columns of the entries that one unit reaches, and which."""
    rows, columns = np.nonzero(cover == 1)
    return rows, columns, (left[rows] & right.T[columns]).argmax(axis=1)


def find_merging(left: np.ndarray, right: np.ndarray, cover: np.ndarray) -> Witness | None:
    """Find two units that merge, with two rows and three columns."""
    alone, together = cover == 1, cover == 2
    if not (alone.any() and together.any()):
        return None
    _, columns, owners = reached_alone(left, right, cover)
    places, times = np.unique(owners * cover.shape[1] + columns, return_counts=True)
    # For each unit, the pairs of rows that have a column which it alone reaches in both.
    pairs: dict[int, np.ndarray] = {}
    for unit in np.unique(places[times > 1] // cover.shape[1]):
        own = (alone & left[:, [unit]])[:, right[unit]].astype(np.float32)
        shared = own @ own.T > 0
        np.fill_diagonal(shared, False)
        if shared.any():
            pairs[int(unit)] = shared
    for i, j in combinations(pairs, 2):
        both = pairs[i] & pairs[j]
        columns = np.flatnonzero(right[i] & right[j])
        if not (both.any() and columns.size):
            continue
        middle = together[:, columns].astype(np.float32)
        found = np.argwhere(both & (middle @ middle.T > 0))
        if len(found):
            rows = found[0]
            first, last = (
                int(np.flatnonzero(alone[rows].all(axis=0) & right[unit])[0]) for unit in (i, j)
            )
            between = int(columns[together[np.ix_(rows, columns)].all(axis=0)][0])
            return Witness((i, j), tuple(rows.tolist()), (first, between, last), None)
    return None


def target_of(witness: Witness, shape: tuple[int, ...]) -> np.ndarray:
    """The limit of the sequence.

    Corner: every completion of its block has rank q + 1. Merging: the outer columns make both
    units parallel to the first row, and the middle one is the second row's.
    """
    rows, columns = witness.rows, witness.columns
    target = np.zeros(shape)
    if witness.covering_unit is None:
        if len(rows) == 3:
            target[[rows[0], rows[2]], columns[0]] = target[rows[1], columns[1]] = 1.0
        else:
            target[rows[0], [columns[0], columns[2]]] = target[rows[1], columns[1]] = 1.0
        return target
    for row, column in zip(rows[:-2], columns[:-2], strict=True):
        target[row, column] = 1.0
    target[rows[-2], columns[-1]] = target[rows[-1], columns[-2]] = 1.0
    return target


def factors_near_target(
    witness: Witness, shape: tuple[int, int, int], t: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return factors (m, r), (r, n), `shape` being m, r, n, at distance 1 / t^2 of the target."""
    units, rows, columns, covering = witness
    m, n_units, n = shape
    X, Y = np.zeros((m, n_units)), np.zeros((n_units, n))
    if covering is None and len(rows) == 3:
        X, Y = _merge_two_units(units, columns, rows, (Y.T, X.T), t)
        return Y.T, X.T
    if covering is None:
        return _merge_two_units(units, rows, columns, (X, Y), t)
    for unit, row, column in zip(units[:-1], rows, columns, strict=False):
        X[row, unit] = Y[unit, column] = 1.0
    last = units[-1]
    X[rows[-2], last] = Y[last, columns[-2]] = 1.0 / t
    X[rows[-1], last] = Y[last, columns[-1]] = t
    X[rows[-1], covering], Y[covering, columns[-1]] = -t, t
    return X, Y


def _merge_two_units(
    units: tuple[int, ...],
    rows: tuple[int, ...],
    columns: tuple[int, ...],
    factors: tuple[np.ndarray, np.ndarray],
    t: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Fill in two units that become parallel, whose difference is the middle column."""
    X, Y = factors
    i, j = units
    X[rows[0], [i, j]] = t
    X[rows[1], j] = Y[i, columns[0]] = Y[j, columns[2]] = 1.0 / t
    Y[i, columns[1]], Y[j, columns[1]] = -t, t
    return X, Y
