"""Kronecker-sparse patterns and the chains of them that products of factors follow.

A pattern (a, b, c, d) is the support I_a (x) 1_{b x c} (x) I_d: a matrix of shape
(a b d, a c d) made of a d dense blocks of b x c, interleaved with step d. Two patterns chain if
a1 divides a2, d2 divides d1, and a1 c1 / a2 = b2 d2 / d1 =: r is an integer; then the product of
any two such factors splits into a2 d1 disjoint blocks of b1 x c2 of rank at most r (Le, Zheng,
Riccietti and Gribonval, arXiv 2411.04506, definitions 4.2 and 4.7 in words of our own).

In code a factor is an array of shape (a, d, b, c): ``values[i, k, p, q]`` stands in row
``(i b + p) d + k`` and column ``(i c + q) d + k``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from sketchlearn._validation import check_count


class Pattern(NamedTuple):
    """The support I_a (x) 1_{b x c} (x) I_d of a factor.

    Parameters
    ----------
    a, b, c, d : int
        Positive; see the module's text.

    Examples
    --------
    >>> Pattern(1, 2, 2, 2).shape
    (4, 4)
    """

    a: int
    b: int
    c: int
    d: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a factor."""
        return self.a * self.b * self.d, self.a * self.c * self.d

    @property
    def n_parameters(self) -> int:
        """Entries of the support."""
        return prod(self)

    def times(self, other: Pattern) -> Pattern:
        """Return the pattern of the product with a factor whose pattern chains with this one."""
        return Pattern(self.a, self.b * self.d // other.d, other.a * other.c // self.a, other.d)

    def rank(self, other: Pattern) -> int:
        """Rank of the blocks of the product with a factor of `other`, which must chain."""
        return self.a * self.c // other.a

    def dense(self, values: np.ndarray) -> np.ndarray:
        """Return the matrix (a b d, a c d) whose entries `values` (a, d, b, c) holds."""
        a, b, c, d = self
        matrix = np.zeros((a, b, d, a, c, d), dtype=values.dtype)
        i, k = np.arange(a)[:, None], np.arange(d)[None, :]
        matrix[i, :, k, i, :, k] = values
        return matrix.reshape(self.shape)

    def entries(self, matrix: np.ndarray) -> np.ndarray:
        """Return the entries (a, d, b, c) that a matrix has on this support."""
        a, b, c, d = self
        i, k = np.arange(a)[:, None], np.arange(d)[None, :]
        return matrix.reshape(a, b, d, a, c, d)[i, :, k, i, :, k]


Chain = tuple[Pattern, ...]


def square_dyadic(n: int, rank: int = 1) -> Chain:
    """Patterns (2^(l-1), 2, 2, n / 2^l), l = 1, ..., log2 n: those of the fast Fourier transform.

    Parameters
    ----------
    n : int
        Rows and columns: a power of two, at least 2.
    rank : int, default=1
        By what to multiply every inner dimension.

    Returns
    -------
    tuple of Pattern
        The factors' patterns, from left to right.

    Raises
    ------
    ValueError
        If n is no power of two.

    Examples
    --------
    >>> [tuple(pattern) for pattern in square_dyadic(8)]
    [(1, 2, 2, 4), (2, 2, 2, 2), (4, 2, 2, 1)]
    """
    n = check_count(n, "n", 2)
    if n & (n - 1):
        raise ValueError(f"a square dyadic chain needs a size that is a power of two, got {n}")
    levels = n.bit_length() - 1
    return check_chain([(2**i, 2, 2, n >> (i + 1)) for i in range(levels)], rank=rank)


def check_chain(patterns: Iterable[Sequence[int]], *, rank: int = 1) -> Chain:
    """Return patterns as a chain, their inner dimensions multiplied by `rank`.

    Parameters
    ----------
    patterns : iterable of (a, b, c, d)
        From left to right.
    rank : int, default=1
        Factor of every b but the first and every c but the last.

    Returns
    -------
    tuple of Pattern
        The chain.

    Raises
    ------
    TypeError
        If a pattern is not four integers.
    ValueError
        If there is none, a number is below 1, or two neighbours do not chain.

    Examples
    --------
    >>> check_chain([(1, 2, 2, 6), (2, 3, 3, 2), (6, 2, 2, 1)])[1].shape
    (12, 12)
    """
    rank = check_count(rank, "rank")
    if not isinstance(patterns, Iterable):
        raise TypeError(f"a chain must be patterns (a, b, c, d), got {patterns!r}")
    chain = [_parse_pattern(pattern, place) for place, pattern in enumerate(patterns)]
    if not chain:
        raise ValueError("a chain needs at least one pattern (a, b, c, d), got none")
    last = len(chain) - 1
    chain = [
        Pattern(p.a, p.b * (rank if i else 1), p.c * (rank if i < last else 1), p.d)
        for i, p in enumerate(chain)
    ]
    for place in range(last):
        _check_pair(chain[place], chain[place + 1], place)
    return tuple(chain)


def product_of(chain: Sequence[Pattern]) -> Pattern:
    """Return the pattern of the product of all factors of a chain."""
    result = chain[0]
    for pattern in chain[1:]:
        result = result.times(pattern)
    return result


def _parse_pattern(pattern: Any, place: int) -> Pattern:
    """Four positive integers, or an error that says which pattern is not."""
    try:
        numbers = tuple(pattern)
    except TypeError:
        numbers = ()
    if isinstance(pattern, str) or len(numbers) != 4:
        raise TypeError(f"pattern {place} must be four integers (a, b, c, d), got {pattern!r}")
    return Pattern(
        *(
            check_count(x, f"{name} of pattern {place}")
            for x, name in zip(numbers, "abcd", strict=True)
        )
    )


def _check_pair(left: Pattern, right: Pattern, place: int) -> None:
    between = f"patterns {place} {tuple(left)} and {place + 1} {tuple(right)} do not chain"
    if left.shape[1] != right.shape[0]:
        raise ValueError(
            f"{between}: the first has {left.shape[1]} columns, the second {right.shape[0]} rows"
        )
    if right.a % left.a:
        raise ValueError(f"{between}: a = {left.a} does not divide {right.a}")
    if left.d % right.d:
        raise ValueError(f"{between}: d = {right.d} does not divide {left.d}")
    if (left.a * left.c) % right.a:
        raise ValueError(
            f"{between}: the rank a1 c1 / a2 = {left.a * left.c} / {right.a} is no integer"
        )
