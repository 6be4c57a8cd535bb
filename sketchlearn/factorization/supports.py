"""Whether the products X Y of factors with fixed supports form a closed set.

Unit i is column i of X and row i of Y; S_i is the rectangle of entries that it reaches. Where the
set of products is not closed, some matrix is approximated ever better by products whose entries
grow without bound, and by none best. Deciding it in general needs quantifier elimination (Le,
Riccietti and Gribonval, arXiv 2306.02666); the two certificates here are combinatorial, sound both
ways, and silent on some supports. They are proved in the guide to sparse factors.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, final

import numpy as np

from sketchlearn._validation import check_positive
from sketchlearn.factorization.witnesses import (
    MOST_SETS,
    Witness,
    factors_near_target,
    find_corner,
    find_merging,
    reached_alone,
    target_of,
)
from sketchlearn.sources.exact_values import require_no_mask

LARGEST_T = 1e150


class Block(NamedTuple):
    """Entries that one class of equal units is responsible for, where supports are closed.

    Parameters
    ----------
    units, rows, columns : ndarray of int
        The class, and the rectangle outside which its factors are zero.
    own : ndarray of bool (n_rows, n_columns)
        Entries of the rectangle that it fits; the others it leaves at zero.
    """

    units: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    own: np.ndarray


@final
@dataclass(frozen=True, eq=False, repr=False)
class SupportVerdict:
    """What `check_supports` found.

    Attributes
    ----------
    status : "closed", "not closed" or "unknown"
        "closed": every matrix has a nearest product. "not closed": `target` has none.
    witness : Witness or None
        For "not closed".
    target : ndarray (m, n) or None
        For "not closed": a matrix of zeros and ones that is no product, but a limit of products.
    blocks : tuple of Block
        For "closed": who fits what, see `closest_product`.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.factorization import check_supports
    >>> check_supports(np.ones((2, 2)), np.ones((2, 2))).status
    'closed'
    """

    status: Literal["closed", "not closed", "unknown"]
    witness: Witness | None = None
    target: np.ndarray | None = None
    blocks: tuple[Block, ...] = ()
    _n_units: int = field(default=0, repr=False)

    def __repr__(self) -> str:
        proof = f", {self.witness!r}" if self.witness else ""
        blocks = f", {len(self.blocks)} blocks" if self.blocks else ""
        return f"SupportVerdict({self.status!r}{proof}{blocks})"

    def sequence(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        """Return factors within the supports whose product is 1 / t^2 from `target`.

        The product differs in one entry; the factors' largest entry is t in modulus.

        Parameters
        ----------
        t : float
            From 1 to 1e150, beyond which t^2 is no float64.

        Returns
        -------
        X : ndarray (m, r)
            Within the left support.
        Y : ndarray (r, n)
            Within the right support.

        Raises
        ------
        ValueError
            If the supports are not known not to be closed, or t is out of range.
        """
        if self.witness is None or self.target is None:
            raise ValueError(f"only supports that are not closed have a sequence: {self.status}")
        if not 1.0 <= check_positive(t, "t") <= LARGEST_T:
            raise ValueError(f"t must be at least 1 and at most {LARGEST_T:g}, got {t}")
        shape = self.target.shape[0], self._n_units, self.target.shape[1]
        return factors_near_target(self.witness, shape, t)


def check_supports(left: np.ndarray, right: np.ndarray) -> SupportVerdict:
    """Decide, where a certificate can, whether the products within two supports are closed.

    "not closed" is never wrong, and neither is "closed"; both are theorems of the guide. All 256
    pairs of 2 x 2 supports are decided; of larger ones many are "unknown", such as supports so
    dense that several units reach every entry.

    Parameters
    ----------
    left : array-like (m, r)
        Of zeros and ones, or of booleans: where X may be nonzero.
    right : array-like (r, n)
        Where Y may be nonzero.

    Returns
    -------
    SupportVerdict
        With a witness and a diverging sequence for "not closed".

    Raises
    ------
    TypeError, ValueError
        If they are not matrices of zeros and ones whose inner dimensions agree.

    Examples
    --------
    Triangular factors cannot reach a matrix whose first pivot is zero, but come close:

    >>> import numpy as np
    >>> lower = np.tril(np.ones((2, 2)))
    >>> verdict = check_supports(lower, lower.T)
    >>> verdict.status
    'not closed'
    >>> verdict.target
    array([[0., 1.],
           [1., 0.]])
    >>> X, Y = verdict.sequence(1000.0)
    >>> float(np.abs(X @ Y - verdict.target).max())
    1e-06
    >>> check_supports(np.ones((2, 2)), np.ones((2, 2))).status
    'closed'
    """
    left, right = check_support_pair(left, right)
    classes = _group_units(left, right)
    cover = (left.astype(np.float32) @ right.astype(np.float32)).astype(np.int32)
    counts = set(np.unique(cover).tolist())
    n_alone = np.bincount(reached_alone(left, right, cover)[2], minlength=left.shape[1])
    most_sets = MOST_SETS // max(1, sum(len(units) > 1 for units, _, _ in classes))
    for units, rows, columns in classes:
        # A corner of one unit has three entries that it alone reaches.
        if len(units) not in counts or (len(units) == 1 and n_alone[units[0]] < 3):
            continue
        found = find_corner(cover[np.ix_(rows, columns)] == len(units), len(units), most_sets)
        if found is None:
            continue
        in_rows, in_columns = rows[list(found[0])], columns[list(found[1])]
        others = left[in_rows[-1]] & right[:, in_columns[-1]]
        others[units] = False
        witness = Witness(
            units=tuple(units.tolist()),
            rows=tuple(in_rows.tolist()),
            columns=tuple(in_columns.tolist()),
            covering_unit=int(np.flatnonzero(others)[0]),
        )
        target = target_of(witness, cover.shape)
        return SupportVerdict("not closed", witness, target, _n_units=left.shape[1])
    merging = find_merging(left, right, cover)
    if merging is None:
        turned = find_merging(right.T, left.T, cover.T)
        merging = turned and Witness(turned.units, turned.columns, turned.rows, None)
    if merging is not None:
        target = target_of(merging, cover.shape)
        return SupportVerdict("not closed", merging, target, _n_units=left.shape[1])
    blocks = _blocks(classes, cover > 0)
    if blocks is None:
        return SupportVerdict("unknown", _n_units=left.shape[1])
    return SupportVerdict("closed", blocks=tuple(blocks), _n_units=left.shape[1])


def check_support_pair(left: Any, right: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return two supports as booleans; an error unless their inner dimensions agree."""
    left, right = check_support(left, "left"), check_support(right, "right")
    if left.shape[1] != right.shape[0]:
        raise ValueError(
            f"left has {left.shape[1]} columns, right {right.shape[0]} rows: one for each unit "
            "was expected in both"
        )
    return left, right


def check_support(support: Any, name: str) -> np.ndarray:
    """Return a support as booleans; an error if it is no matrix of zeros and ones."""
    require_no_mask(support, name)
    array = np.asarray(support)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold zeros and ones, got type {array.dtype}")
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"{name} must be a matrix with rows and columns, got shape {array.shape}")
    if not np.isin(array, (0, 1)).all():
        odd = array[~np.isin(array, (0, 1))][0]
        raise ValueError(f"{name} must hold zeros and ones only, got {odd}")
    return array.astype(bool)


_Class = tuple[np.ndarray, np.ndarray, np.ndarray]


def _group_units(left: np.ndarray, right: np.ndarray) -> list[_Class]:
    """Units put together by their rectangles: units, rows, columns. Units that reach nothing go."""
    together: dict[bytes, list[int]] = {}
    for unit in np.flatnonzero(left.any(axis=0) & right.any(axis=1)):
        key = left[:, unit].tobytes() + right[unit].tobytes()
        together.setdefault(key, []).append(int(unit))
    return [
        (np.array(units), np.flatnonzero(left[:, units[0]]), np.flatnonzero(right[units[0]]))
        for units in together.values()
    ]


def _blocks(classes: list[_Class], reached: np.ndarray) -> list[Block] | None:
    """Who fits what, if the second certificate holds; `reached` are the entries of any rectangle.

    A class with as many units as what is left of its rectangle has rows or columns fits that
    whatever it is, and leaves it to nobody else. At the end, what is left of the others must be
    full rectangles, no two of which meet.
    """
    left = reached.copy()
    # Small rectangles first: of nested ones, each then finds the ones inside it gone.
    waiting = sorted(classes, key=lambda one: one[1].size * one[2].size)
    blocks: list[Block] = []
    changed = True
    while changed:
        changed, still = False, []
        for units, rows, columns in waiting:
            if not blocks and len(units) < min(rows.size, columns.size):
                # Nothing was taken from anybody yet.
                still.append((units, rows, columns))
                continue
            block = _rest(units, rows, columns, left)
            if len(units) < min(block.own.shape):
                still.append((units, rows, columns))
                continue
            changed = True
            blocks.append(block)
            left[np.ix_(rows, columns)] = False
        waiting = still
    n_left = int(left.sum())
    for one in waiting:
        block = _rest(*one, left)
        n_left -= block.own.size
        if n_left < 0 or not block.own.all():
            return None
        blocks.append(block)
    return blocks


def _rest(units: np.ndarray, rows: np.ndarray, columns: np.ndarray, left: np.ndarray) -> Block:
    """What is left of a class's rectangle, in the smallest rectangle around it."""
    own = left[np.ix_(rows, columns)]
    in_rows, in_columns = own.any(axis=1), own.any(axis=0)
    return Block(units, rows[in_rows], columns[in_columns], own[np.ix_(in_rows, in_columns)])
