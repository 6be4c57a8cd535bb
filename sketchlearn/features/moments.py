"""First and second moments of rows as exact integers: the grid, the sums, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self, final

import numpy as np

MomentKind = Literal["full", "diagonal"]
# What is asked for: a kind, that which suits the number of features, or none.
MomentChoice = MomentKind | Literal["auto"] | None

# Features up to which all products are kept: as many bytes as the waves of 2,000 frequencies, and
# less than 0.15 times their cost.
MOST_FULL_FEATURES = 64
# A grid's steps are 2^-21 of a column's spread, or up to half of that.
STEP_BITS = 21
# Least spread that a column's grid is made for, as a part of the operator's scale: a row within
# the reach of waves must be within the reach of the grid.
LEAST_SPREAD = 2.0**-16
# Words of 64 bits that a sum has: a total weight below 2^60 units, times a product below 2^160.
N_WORDS = 4
WORD = 1 << 64
# A weight of one, in units.
WEIGHT_UNIT = 1 << 20
# Steps in one, as a power of two, from which sums tell whether columns are of whole numbers.
FEWEST_BITS = 10
# By how much, as a fraction, a product may exceed its bound, which is computed in float64.
ROUNDING = 1e-12


def resolve_moments(moments: MomentChoice, n_features: int) -> MomentKind | None:
    """Return which second moments are kept: where "auto", all of them up to 64 features.

    Raises
    ------
    ValueError
        If it is another word.
    """
    if moments == "auto":
        return "full" if n_features <= MOST_FULL_FEATURES else "diagonal"
    if moments not in ("full", "diagonal", None):
        raise ValueError(f"moments must be 'auto', 'full', 'diagonal' or None, got {moments!r}")
    return moments


def n_moments(n_features: int, kind: MomentKind) -> int:
    """Return how many sums there are: first moments, and products of all pairs or squares."""
    pairs = n_features * (n_features + 1) // 2 if kind == "full" else n_features
    return n_features + pairs


def square_places(n_features: int, kind: MomentKind) -> np.ndarray:
    """Return where the columns' squares are among the products."""
    j = np.arange(n_features)
    return j * n_features - j * (j - 1) // 2 if kind == "full" else j


@final
@dataclass(frozen=True, eq=False, repr=False)
class MomentGrid:
    r"""The grid that rows are rounded to before they are summed: a power of two for each column.

    .. math:: g_j = \operatorname{rint}\bigl((x_j - c_j) / h_j\bigr)

    With steps h, the moments of g are those of rows that are off by at most h/2 in each column, but
    for float64's own rounding of x - c. A mean and a standard deviation are therefore off by at
    most h/2 as well, whatever the rows are, and a variance by a fraction :math:`h / \sigma` or so.
    Where roundings are as good as random it is less, about
    :math:`0.6 h / (\sigma \sqrt n) + h^2 / (12 \sigma^2)`.

    Parameters
    ----------
    center : ndarray of shape (n_features,) float64
        Taken from every row.
    exponents : ndarray of shape (n_features,) int32
        Powers of two that are the steps.
    """

    center: np.ndarray
    exponents: np.ndarray

    @classmethod
    def choose(
        cls, center: np.ndarray, scale: float, units: np.ndarray, variances: np.ndarray
    ) -> Self:
        r"""Choose steps of at most :math:`2^{-21}` of each column's spread.

        The spread is that of a cluster, or of the pilot where that is less, but no less than
        :math:`2^{-16}` of a cluster's. The variance of a column that is as wide, or wider, is right
        to 4.8e-7 of it; that of one r times narrower to r times as much.

        Parameters
        ----------
        center : ndarray of shape (n_features,)
            Where the operator centres rows.
        scale, units
            Standard deviation of a cluster, in the columns' units; powers of two.
        variances : ndarray of shape (n_features,)
            The pilot's; a column without variance has a cluster's spread.
        """
        cluster = scale * units
        pilot = np.sqrt(variances)
        spread = np.minimum(cluster, np.where(pilot > 0, pilot, cluster))
        spread = np.maximum(spread, LEAST_SPREAD * cluster)
        return cls(center, np.frexp(spread)[1] - 1 - STEP_BITS)

    def __repr__(self) -> str:
        return f"MomentGrid({self.n_features} columns)"

    @property
    def n_features(self) -> int:
        """Dimension of a row."""
        return len(self.center)

    @property
    def steps(self) -> np.ndarray:
        """Steps (n_features,) float64, in data units."""
        return np.ldexp(1.0, self.exponents)


@final
@dataclass(frozen=True, eq=False, repr=False)
class MomentSums:
    r"""Weighted sums of rows on a grid and of their products, as exact integers.

    .. math:: \sum_i w_i g_i \quad \text{and} \quad \sum_i w_i \, g_{ij} g_{ik}

    with weights in units of :math:`2^{-20}`. An immutable value; sums of one kind and dimension are
    a commutative group under ``+`` and ``-``. No sum can overflow: with a total weight below
    :math:`2^{60}` units, which every sketch has, and coordinates below :math:`2^{80}`, it has at
    most 221 bits of 256.

    Parameters
    ----------
    kind : {"full", "diagonal"}
        Whether products of all pairs of columns are kept, or the squares alone.
    n_features : int
        Dimension d of the rows.
    words : ndarray of shape (4, n_moments) uint64
        Integers in two's complement, lowest word first: d first moments, then products j <= k in
        the order of rows of an upper triangle, or squares.

    Raises
    ------
    ValueError
        If the words have another shape or type.
    """

    kind: MomentKind
    n_features: int
    words: np.ndarray

    def __post_init__(self) -> None:
        words = np.array(self.words, order="C")
        shape = (N_WORDS, n_moments(self.n_features, self.kind))
        if words.shape != shape or words.dtype != np.uint64:
            raise ValueError(
                f"words must be uint64 of shape {shape}, got {words.dtype} of shape {words.shape}"
            )
        words.flags.writeable = False
        object.__setattr__(self, "words", words)

    def __repr__(self) -> str:
        return f"MomentSums({self.kind!r}, {self.n_features} columns)"

    @classmethod
    def empty(cls, n_features: int, kind: MomentKind) -> Self:
        """Return the sums over no rows: the neutral element."""
        return cls(kind, n_features, np.zeros((N_WORDS, n_moments(n_features, kind)), np.uint64))

    @classmethod
    def from_integers(cls, n_features: int, kind: MomentKind, integers: Any) -> Self:
        """Return sums that are given as Python integers, in the order of `words`.

        Raises
        ------
        ValueError
            If one does not fit into 256 bits.
        """
        rest = np.array(integers, dtype=object)
        words = np.empty((N_WORDS, len(rest)), np.uint64)
        for word in words:
            word[:] = rest % WORD
            rest = rest // WORD
        sums = cls(kind, n_features, words)
        if not np.array_equal(sums.integers, np.array(integers, dtype=object)):
            raise ValueError("sums must be below 2**255 in magnitude")
        return sums

    @classmethod
    def from_state(cls, n_features: int, kind: MomentKind, state: np.ndarray) -> Self:
        """Return the sums that `state` was made of.

        Raises
        ------
        ValueError
            If it is not such a state, or has more words than its numbers need.
        """
        shape = (n_moments(n_features, kind),)
        if state.ndim != 2 or state.dtype != "<i8" or state.shape[1:] != shape:
            raise ValueError(
                f"moments must be int64 of shape (words, {shape[0]}), got {state.dtype} of shape "
                f"{state.shape}"
            )
        if not 1 <= len(state) <= N_WORDS:
            raise ValueError(f"moments must have 1 to {N_WORDS} words each, got {len(state)}")
        signs = np.broadcast_to(state[-1] >> 63, (N_WORDS - len(state), *shape))
        words = np.concatenate([state, signs]).astype(np.int64).view(np.uint64)
        sums = cls(kind, n_features, words)
        if len(sums.state) != len(state):
            raise ValueError(f"moments have {len(state)} words each where fewer would do")
        return sums

    @property
    def state(self) -> np.ndarray:
        """As few words as hold every sum, (1 to 4, n_moments) int64, little-endian."""
        words = self.words.view(np.int64)
        n = N_WORDS
        while n > 1 and np.array_equal(words[n - 1], words[n - 2] >> 63):
            n -= 1
        return words[:n].astype("<i8")

    @property
    def integers(self) -> np.ndarray:
        """The sums as Python integers, shape (n_moments,), dtype object."""
        return _integers(self.words)

    @property
    def first(self) -> np.ndarray:
        """The sums of the columns as Python integers, shape (n_features,), dtype object."""
        return _integers(self.words[:, : self.n_features])

    def scaled(self, factor: int) -> MomentSums:
        """Return the sums over the same rows, each `factor` times as heavy."""
        return MomentSums.from_integers(self.n_features, self.kind, self.integers * factor)

    def is_possible(self, weight_units: int) -> bool:
        r"""Whether any rows of that total weight could have these sums.

        Exactly where :math:`(\sum w g)^2 \le \sum w \sum w g^2`, and but for the rounding of
        float64 where products of two columns are at most what their squares allow.

        Parameters
        ----------
        weight_units : int
            Total weight in units of 2^-20.
        """
        if weight_units <= 0:
            return weight_units == 0 and not self.words.any()
        d = self.n_features
        squares = _integers(self.words[:, d + square_places(d, self.kind)])
        if (self.first**2 > weight_units * squares).any():
            return False
        if self.kind == "diagonal":
            return True
        j, k = np.triu_indices(d)
        roots = np.sqrt(squares.astype(np.float64))
        products = _magnitudes(self.words[:, d:])
        return bool(np.all(products <= roots[j] * roots[k] * (1.0 + ROUNDING)))

    def central(self, weight_units: int) -> np.ndarray:
        """Second central moments times the squared total weight, as Python integers, packed."""
        first, products = np.split(self.integers, [self.n_features])
        if self.kind == "diagonal":
            return np.asarray(products * weight_units - first**2)
        j, k = np.triu_indices(self.n_features)
        return np.asarray(products * weight_units - first[j] * first[k])

    def central_squares(self, weight_units: int) -> np.ndarray:
        """Return what `central` has of each column with itself, (n_features,)."""
        d = self.n_features
        squares = _integers(self.words[:, d + square_places(d, self.kind)])
        return np.asarray(squares * weight_units - self.first**2)

    def __add__(self, other: Any) -> MomentSums:
        if not isinstance(other, MomentSums):
            return NotImplemented
        self._require_same_kind(other)
        return MomentSums(self.kind, self.n_features, add_words(self.words, other.words, 0))

    def __sub__(self, other: Any) -> MomentSums:
        if not isinstance(other, MomentSums):
            return NotImplemented
        self._require_same_kind(other)
        return MomentSums(self.kind, self.n_features, add_words(self.words, ~other.words, 1))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MomentSums):
            return NotImplemented
        return self.kind == other.kind and np.array_equal(self.words, other.words)

    def __hash__(self) -> int:
        return hash((self.kind, self.words.tobytes()))

    def _require_same_kind(self, other: MomentSums) -> None:
        """Refuse sums of other moments."""
        ours, theirs = ((sums.kind, sums.n_features) for sums in (self, other))
        if ours != theirs:
            raise ValueError(
                f"the sums are of different moments: {ours[0]} of {ours[1]} features and "
                f"{theirs[0]} of {theirs[1]}"
            )


def _integers(words: np.ndarray) -> np.ndarray:
    """Python integers (n,) of words (4, n)."""
    total = words[-1].view(np.int64).astype(object)
    for word in words[-2::-1]:
        total = total * WORD + word.astype(object)
    return np.asarray(total)


def _magnitudes(words: np.ndarray) -> np.ndarray:
    """Absolute values (n,) of the integers in words (4, n), in float64."""
    is_negative = words[-1] >> np.uint64(63) != 0
    total = is_negative.astype(np.float64)
    for place, word in enumerate(np.where(is_negative, ~words, words)):
        total += np.ldexp(word.astype(np.float64), 64 * place)
    return total


def add_words(a: np.ndarray, b: np.ndarray, carry: int) -> np.ndarray:
    """Add integers in words (4, ...) and others, and to each a carry of 0 or 1."""
    total, carries = np.empty_like(a), np.full(a.shape[1:], carry, np.uint64)
    for word, x, y in zip(total, a, b, strict=True):
        np.add(x, y, out=word)
        overflows = word < x
        word += carries
        carries = (overflows | (word < carries)).astype(np.uint64)
    return total


@final
@dataclass(frozen=True, eq=False, repr=False)
class Moments:
    """Mean, variance and covariance of rows, from exact sums.

    Each number is computed from the integers without rounding, but for the last bit of float64.

    Parameters
    ----------
    grid : MomentGrid
        What the rows were rounded to.
    sums : MomentSums
        Their sums.
    weight_units : int
        Their total weight in units of 2^-20, positive.
    """

    grid: MomentGrid
    sums: MomentSums
    weight_units: int

    def __repr__(self) -> str:
        return f"Moments({self.sums.kind!r}, {self.sums.n_features} columns)"

    @property
    def mean(self) -> np.ndarray:
        """Weighted mean of the rows, (n_features,), data units."""
        offset = (self.sums.first / self.weight_units).astype(np.float64)
        return np.asarray(self.grid.center + np.ldexp(offset, self.grid.exponents))

    @property
    def covariance(self) -> np.ndarray:
        r"""Covariance of the rows, (n_features, n_features), squared data units.

        .. math:: \frac{1}{\sum w} \sum_i w_i (x_i - \bar x)(x_i - \bar x)^\top

        Raises
        ------
        ValueError
            If only the squares of columns were summed.
        """
        d = self.sums.n_features
        if self.sums.kind != "full":
            raise ValueError(
                "moments of the kind 'diagonal' have a variance for each column and no covariance; "
                "sketch with moments='full'"
            )
        j, k = np.triu_indices(d)
        exponents = self.grid.exponents
        covariance = np.empty((d, d))
        packed = self._divide(self.sums.central(self.weight_units))
        covariance[j, k] = np.ldexp(packed, exponents[j] + exponents[k])
        covariance[k, j] = covariance[j, k]
        return covariance

    @property
    def variance(self) -> np.ndarray:
        r"""Variance of each column, (n_features,), squared data units; divided by the weight."""
        return np.asarray(np.ldexp(self._grid_variance(), 2 * self.grid.exponents))

    @property
    def standard_deviation(self) -> np.ndarray:
        """Standard deviation of each column, (n_features,), data units."""
        return np.asarray(np.ldexp(np.sqrt(self._grid_variance()), self.grid.exponents))

    @property
    def is_whole(self) -> np.ndarray:
        r"""Whether the sums of each column are those of whole numbers, (n_features,) bool.

        With steps :math:`h = 2^{-b}` a whole number is a multiple of :math:`2^b` steps but for the
        offset that all rows have in common, :math:`a = \operatorname{rint}(-c / h)`; so is the sum
        of :math:`g - a`, and that of its squares a multiple of :math:`2^{2b}`. Sums of other
        numbers are so by chance, one time in :math:`2^{3b}`. Where b is less than `FEWEST_BITS`,
        nothing is known.
        """
        d, weight = self.sums.n_features, self.weight_units
        integers = self.sums.integers
        squares = integers[d + square_places(d, self.sums.kind)]
        # What all weights have in common, as far as is known: one is 2^20 units.
        common = min(weight & -weight, WEIGHT_UNIT)
        found = np.zeros(d, dtype=bool)
        for j in np.flatnonzero(-self.grid.exponents >= FEWEST_BITS):
            one = 1 << int(-self.grid.exponents[j])
            offset = int(np.rint(-self.grid.center[j] * float(one)))
            first = integers[j] - weight * offset
            square = squares[j] - 2 * offset * integers[j] + weight * offset**2
            found[j] = first % (one * common) == 0 and square % (one**2 * common) == 0
        return found

    def _grid_variance(self) -> np.ndarray:
        """Variance of each column in squared steps."""
        return self._divide(self.sums.central_squares(self.weight_units))

    def _divide(self, central: np.ndarray) -> np.ndarray:
        """Return central moments, in squared steps, of what `MomentSums` has of them."""
        # Division of Python integers is rounded once, however large they are.
        return np.asarray((central / self.weight_units**2).astype(np.float64))
