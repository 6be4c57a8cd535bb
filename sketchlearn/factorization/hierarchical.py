"""Butterfly factors of a matrix, found by splitting it in two again and again.

The product of a chain's factors lies, for every place l at which the chain can be cut, in the set
M_l of matrices whose disjoint blocks have rank at most r_l (`chains`). The nearest matrix of M_l is
a truncated singular value decomposition of every block, and it is a product of two factors, each
of which is split further. See the guide to sparse factors for the proofs of what is said here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from sketchlearn.factorization.butterfly import Butterfly, check_matrix, check_order
from sketchlearn.factorization.chains import Chain, check_chain, product_of, square_dyadic
from sketchlearn.factorization.orders import search_order
from sketchlearn.factorization.splits import (
    Partition,
    centred_on,
    distance,
    over_power_of_two,
    scaled,
    split,
)
from sketchlearn.factorization.transforms import bit_reversal

ORDERS = ("balanced", "left-to-right")
ChainLike = str | Iterable[Sequence[int]]


def butterfly(
    A: np.ndarray,
    chain: ChainLike = "square-dyadic",
    *,
    rank: int = 1,
    order: str = "balanced",
    orthonormalise: bool = True,
    permutation: str | np.ndarray | None = None,
) -> Butterfly:
    """Factorise a matrix into the sparse factors of a chain.

    With `orthonormalise`, a chain of L factors and any A,

        ``||A - B|| <= C inf ||A - B'||``  over all products B' of the chain's factors,

    in the Frobenius norm, with C = sqrt(L - 1) for "left-to-right" and C = L - 1 for "balanced" (a
    bound that does not depend on A is a theorem of Le, Zheng, Riccietti and Gribonval, arXiv
    2411.04506; the guide proves these two constants). In particular a product of the chain is
    recovered exactly, and for square dyadic chains its factors are essentially unique (Zheng,
    Riccietti and Gribonval, arXiv 2110.01230, under conditions that generic factors meet). Without
    `orthonormalise` exact products are recovered as well, but no bound is known to us for others.

    Parameters
    ----------
    A : array-like (n_rows, n_columns)
        Real or complex. float32 and complex64 give factors of that type; the work is done in
        double precision.
    chain : "square-dyadic" or sequence of (a, b, c, d)
        Patterns of the factors from left to right, see `check_chain`.
    rank : int, default=1
        By what to multiply the chain's inner dimensions.
    order : "balanced" or "left-to-right"
        Cut a chain in the middle, or after its first factor.
    orthonormalise : bool, default=True
        Make the factors beside the one to be split orthonormal before each split.
    permutation : "bit-reversal", "search" or array (n_columns,), optional
        Order of A's columns: ``A[:, permutation]`` is factorised. "search" looks for an order that
        suits a chain of rank 1 whose rows are in the order given, see `search_order`, and keeps
        the best of what it found, the identity and, where there is one, the reversal of bits.

    Returns
    -------
    Butterfly
        With its `relative_error`.

    Raises
    ------
    TypeError, ValueError
        If A is not a finite matrix of the chain's shape, the chain does not chain, or an option
        is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.fft.fft(np.eye(64))
    >>> B = butterfly(A, permutation="bit-reversal")
    >>> len(B.factors), B.n_parameters, B.relative_error < 1e-14
    (6, 768, True)
    """
    if order not in ORDERS:
        raise ValueError(f"order must be one of {', '.join(ORDERS)}, got {order!r}")
    A = check_matrix(A)
    patterns = chain_for(A, chain, rank)
    orders = _column_orders(A, patterns, permutation)
    found = [_factorise_chain(A, patterns, o, order, orthonormalise) for o in orders]
    return min(found, key=lambda one: one.relative_error or 0.0)


def least_relative_error(
    A: np.ndarray,
    chain: ChainLike = "square-dyadic",
    *,
    rank: int = 1,
    permutation: np.ndarray | None = None,
) -> float:
    """Relative error below which no product of the chain's factors can be.

    It is the largest distance of A to one of the sets M_l, whose intersection holds all products.
    `butterfly` is within a factor of sqrt(L - 1) of it with "left-to-right".

    Parameters
    ----------
    A, chain, rank
        As for `butterfly`.
    permutation : array (n_columns,), optional
        Order of A's columns.

    Returns
    -------
    float
        A lower bound of ``||A - B|| / ||A||``.

    Raises
    ------
    TypeError, ValueError
        As `butterfly`.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.random.default_rng(0).normal(size=(16, 16))
    >>> bound, error = least_relative_error(A), butterfly(A).relative_error
    >>> bool(bound <= error <= 3 * bound)
    True
    """
    A = check_matrix(A)
    patterns = chain_for(A, chain, rank)
    if permutation is not None:
        A = A[:, check_order(permutation, A.shape[1])]
    if not A.any():
        return 0.0
    A, _ = over_power_of_two(A)
    norm = np.linalg.norm(A)
    whole = product_of(patterns)
    values = whole.entries(A / norm)
    outside = np.linalg.norm(A / norm - whole.dense(values))
    inside = [
        distance(values, product_of(patterns[:place]), product_of(patterns[place:]))
        for place in range(1, len(patterns))
    ]
    return float(np.hypot(outside, max(inside, default=0.0)))


def chain_for(A: np.ndarray, chain: ChainLike, rank: int) -> Chain:
    """Return the chain that was asked for, of the matrix's shape."""
    if isinstance(chain, str):
        if chain != "square-dyadic":
            raise ValueError(
                f"chain must be 'square-dyadic' or patterns (a, b, c, d), got {chain!r}"
            )
        if A.shape[0] != A.shape[1]:
            raise ValueError(f"a square dyadic chain needs a square matrix, got shape {A.shape}")
        return square_dyadic(A.shape[0], rank)
    patterns = check_chain(chain, rank=rank)
    shape = (patterns[0].shape[0], patterns[-1].shape[1])
    if shape != A.shape:
        raise ValueError(f"the chain's product has shape {shape}, A has shape {A.shape}")
    return patterns


def _column_orders(
    A: np.ndarray, chain: Chain, permutation: str | np.ndarray | None
) -> list[np.ndarray | None]:
    """Orders of the columns to try; None is the identity."""
    if permutation is None:
        return [None]
    n = A.shape[1]
    if not isinstance(permutation, str):
        return [check_order(permutation, n)]
    if permutation == "bit-reversal":
        return [bit_reversal(n)]
    if permutation != "search":
        raise ValueError(
            f"permutation must be 'bit-reversal', 'search' or an array, got {permutation!r}"
        )
    reversal = [] if n & (n - 1) else [bit_reversal(n)]
    return [None, *reversal, search_order(A, chain)]


def _factorise_chain(
    A: np.ndarray,
    chain: Chain,
    permutation: np.ndarray | None,
    order: str,
    orthonormalise: bool,
) -> Butterfly:
    if not A.any():
        zeros = [np.zeros((p.a, p.d, p.b, p.c), dtype=A.dtype) for p in chain]
        return Butterfly(zeros, chain, permutation=permutation, relative_error=0.0)
    # No square over- or underflows once the largest entry is about 1.
    target, exponent = over_power_of_two(A if permutation is None else A[:, permutation])
    parts = [Partition(chain, product_of(chain).entries(target))]
    place = 0
    while place < len(parts):
        part = parts[place]
        if len(part.chain) == 1:
            place += 1
            continue
        if orthonormalise:
            parts = centred_on(parts, place)
        cut = len(part.chain) // 2 if order == "balanced" else 1
        parts[place : place + 1] = split(parts[place], cut, not orthonormalise)
    values = [
        array.astype(A.dtype) for array in _balance_factors([p.values for p in parts], exponent)
    ]
    norm = np.linalg.norm(target)
    target -= scaled(Butterfly(values, chain).toarray().astype(target.dtype), -exponent)
    error = float(np.linalg.norm(target) / norm)
    return Butterfly(values, chain, permutation=permutation, relative_error=error)


def _balance_factors(values: list[np.ndarray], exponent: int) -> list[np.ndarray]:
    """Factors of about one root mean square each, their product multiplied by 2^exponent.

    They are multiplied by powers of two, which rounds nothing.
    """
    means = [float(np.sqrt(np.mean(np.abs(array) ** 2))) for array in values]
    if min(means) == 0.0:
        return [scaled(values[0], exponent), *values[1:]]
    logs = np.log2(means)
    share = (logs.sum() + exponent) / len(values)
    powers = np.rint(share - logs[1:]).astype(int).tolist()
    return list(map(scaled, values, [exponent - sum(powers), *powers]))
