"""An order of a matrix's columns in which it is a butterfly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from sketchlearn.factorization.butterfly import check_matrix
from sketchlearn.factorization.chains import Chain, Pattern, check_chain
from sketchlearn.factorization.splits import over_power_of_two


def search_order(A: np.ndarray, chain: Iterable[Sequence[int]]) -> np.ndarray:
    """Find an order of the columns that suits a chain, the rows being in theirs.

    After the first factor the columns fall into groups: within one, each block of rows has rank
    one, so that its columns are parallel. Columns are put together by the mean squared cosine over
    all blocks of rows, the blocks of each group are replaced by their first singular vectors, and
    the rest of the chain orders the columns within the group. Exact for products of the chain
    whose blocks tell the groups apart; for others a heuristic.

    Parameters
    ----------
    A : array-like (n_rows, n_columns)
        The matrix.
    chain : sequence of (a, b, c, d)
        From one dense block (a = 1) to d = 1, of rank one at every cut.

    Returns
    -------
    ndarray of int64 (n_columns,)
        The order: ``A[:, order]`` suits the chain.

    Raises
    ------
    TypeError, ValueError
        If A is not a finite matrix of the chain's shape, or the chain is not as above.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.factorization import square_dyadic
    >>> order = search_order(np.fft.fft(np.eye(8)), square_dyadic(8))
    >>> [sorted(half.tolist()) for half in np.split(order, 2)]
    [[0, 2, 4, 6], [1, 3, 5, 7]]
    """
    A, chain = check_matrix(A), check_chain(chain)
    ranks = [left.rank(right) for left, right in pairwise(chain)]
    if chain[0].a != 1 or chain[-1].d != 1 or any(rank != 1 for rank in ranks):
        raise ValueError(
            "an order of the columns is searched for chains of rank 1 that start with a = 1 and "
            f"end with d = 1 only, got {[tuple(pattern) for pattern in chain]}"
        )
    shape = (chain[0].shape[0], chain[-1].shape[1])
    if A.shape != shape:
        raise ValueError(f"the chain's product has shape {shape}, A has shape {A.shape}")
    # Fourth powers of entries are summed.
    return _order_columns(over_power_of_two(A)[0], np.arange(A.shape[1]), chain)


def _order_columns(A: np.ndarray, names: np.ndarray, chain: Chain) -> np.ndarray:
    """Order columns, called by their names, for a chain that starts with a = 1."""
    if len(chain) == 1:
        return names
    first = chain[0]
    n_groups = chain[1].a
    M = A.reshape(first.b, first.d, A.shape[1]).transpose(1, 0, 2)
    rest = tuple(Pattern(p.a // n_groups, *p[1:]) for p in chain[1:])
    ordered = []
    for group in _group_columns(M, n_groups):
        _, s, Vh = np.linalg.svd(M[:, :, group], full_matrices=False)
        ordered.append(_order_columns(s[:, :1] * Vh[:, 0], names[group], rest))
    return np.concatenate(ordered)


def _group_columns(M: np.ndarray, n_groups: int) -> list[np.ndarray]:
    """Put the columns of blocks (d, b, n) into groups of one size, each sorted."""
    n = M.shape[2]
    # |<x, y>|^2 = <x (x) conj x, y (x) conj y>.
    squares = (M[:, :, None] * M[:, None].conj()).reshape(-1, n)
    energies = np.sum(np.abs(M) ** 2, axis=1)
    most = energies.T @ energies
    cosines = np.divide(
        np.real(squares.conj().T @ squares), most, out=np.ones_like(most), where=most > 0
    )
    left = np.arange(n)
    result = []
    for _ in range(n_groups - 1):
        nearest = np.argsort(-cosines[left[0], left], kind="stable")[: n // n_groups]
        result.append(np.sort(left[nearest]))
        left = np.delete(left, nearest)
    return [*result, left]
