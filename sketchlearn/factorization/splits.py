"""Splitting a product in two, and keeping what stands beside it orthonormal.

A product of patterns that chain, of shape (a1, d2, b1 q, p c2) in the layout of `chains` with
q = d1 / d2 and p = a2 / a1, consists of a1 p q d2 = a2 d1 disjoint blocks (b1, c2). Its left factor
has the r columns (b1, r) of each block, its right factor the r rows (r, c2).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sketchlearn.factorization.chains import Chain, Pattern, product_of

# A block whose rank-one candidate leaves less than this many roundings needs no decomposition.
ROUNDINGS = 8
# Entries that are looked at at a time.
CHUNK = 2**15


class Partition(NamedTuple):
    """Some neighbouring factors' product: their chain and its entries (a, d, b, c)."""

    chain: Chain
    values: np.ndarray

    @property
    def pattern(self) -> Pattern:
        """Pattern of the product."""
        return product_of(self.chain)


def split(part: Partition, cut: int, evenly: bool) -> list[Partition]:
    """Split the first `cut` factors off, with the least error in the Frobenius norm.

    The right part's blocks have orthonormal rows; with `evenly`, both parts get the square roots
    of the singular values.
    """
    chains = part.chain[:cut], part.chain[cut:]
    left, right = map(product_of, chains)
    U, s, Vh = truncated(blocks(part.values, left, right), left.rank(right))
    if evenly:
        root = np.sqrt(s)
        U, Vh = U * root[..., None, :], root[..., None] * Vh
    else:
        U = U * s[..., None, :]
    return [Partition(chains[0], from_columns(U, left)), Partition(chains[1], from_rows(Vh, right))]


def centred_on(parts: list[Partition], place: int) -> list[Partition]:
    """Make all parts before `place` orthonormal, so that errors of that part are the product's.

    The parts after it are so since they were split off.
    """
    parts = list(parts)
    for j in range(place):
        left, right = parts[j].pattern, parts[j + 1].pattern
        Q, R = np.linalg.qr(columns(parts[j].values, left, right))
        rank = left.rank(right)
        Q, R = _pad_axis(Q, -1, rank), _pad_axis(R, -2, rank)
        V = R @ rows(parts[j + 1].values, left, right)
        parts[j] = Partition(parts[j].chain, from_columns(Q, left))
        parts[j + 1] = Partition(parts[j + 1].chain, from_rows(V, right))
    return parts


def distance(values: np.ndarray, left: Pattern, right: Pattern) -> float:
    """Distance, in the Frobenius norm, of a product's entries to the nearest product of two."""
    tail = np.linalg.svd(blocks(values, left, right), compute_uv=False)[..., left.rank(right) :]
    return float(np.linalg.norm(tail))


def blocks(values: np.ndarray, left: Pattern, right: Pattern) -> np.ndarray:
    """Return the blocks (a1, p, q, d2, b1, c2) of a product's entries."""
    p, q = right.a // left.a, left.d // right.d
    shape = (left.a, right.d, left.b, q, p, right.c)
    return values.reshape(shape).transpose(0, 4, 3, 1, 2, 5)


def columns(values: np.ndarray, left: Pattern, right: Pattern) -> np.ndarray:
    """Return the columns (a1, p, q, d2, b1, r) of a left factor's entries."""
    p, q = right.a // left.a, left.d // right.d
    shape = (left.a, q, right.d, left.b, p, left.rank(right))
    return values.reshape(shape).transpose(0, 4, 1, 2, 3, 5)


def rows(values: np.ndarray, left: Pattern, right: Pattern) -> np.ndarray:
    """Return the rows (a1, p, q, d2, r, c2) of a right factor's entries."""
    p, q = right.a // left.a, left.d // right.d
    shape = (left.a, p, right.d, left.rank(right), q, right.c)
    return values.reshape(shape).transpose(0, 1, 4, 2, 3, 5)


def from_columns(U: np.ndarray, left: Pattern) -> np.ndarray:
    """Return a left factor's entries from its columns; undoes `columns`."""
    return U.transpose(0, 2, 3, 4, 1, 5).reshape(left.a, left.d, left.b, left.c)


def from_rows(Vh: np.ndarray, right: Pattern) -> np.ndarray:
    """Return a right factor's entries from its rows; undoes `rows`."""
    return Vh.transpose(0, 1, 3, 4, 2, 5).reshape(right.a, right.d, right.b, right.c)


def truncated(M: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return U (..., b, rank), s (..., rank), Vh (..., rank, c): best approximations of a rank.

    What a block's shape leaves of the rank is filled up with zeros.
    """
    if rank == 1:
        return _rank_one(M)
    U, s, Vh = np.linalg.svd(M, full_matrices=False)
    U, s, Vh = U[..., :rank], s[..., :rank], Vh[..., :rank, :]
    return _pad_axis(U, -1, rank), _pad_axis(s, -1, rank), _pad_axis(Vh, -2, rank)


def _rank_one(M: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best approximations of rank one; blocks that are of rank one up to rounding cost little."""
    shape, (b, c) = M.shape[:-2], M.shape[-2:]
    M = M.reshape(-1, b, c)
    # As many blocks at a time as stay in the cache.
    step = max(1, CHUNK // (b * c))
    parts = [_rank_one_chunk(M[start : start + step]) for start in range(0, len(M), step)]
    U, s, Vh = (np.concatenate(one) for one in zip(*parts, strict=True))
    return U.reshape(*shape, b, 1), s.reshape(*shape, 1), Vh.reshape(*shape, 1, c)


def _rank_one_chunk(M: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best approximations of rank one of blocks (n, b, c)."""
    squares = M.real**2 + M.imag**2
    norms = np.sqrt(squares.sum(axis=(1, 2)))
    largest = np.argmax(squares.sum(axis=1), axis=1)
    U = _normalise(np.take_along_axis(M, largest[:, None, None], axis=2))
    Vh = U.conj().transpose(0, 2, 1) @ M
    rest = np.linalg.norm(M - U * Vh, axis=(1, 2))
    s = np.linalg.norm(Vh, axis=(1, 2))
    Vh = _normalise(Vh)
    open_ = np.flatnonzero(~(rest <= ROUNDINGS * np.finfo(np.float64).eps * norms))
    if open_.size:
        left, values, right = np.linalg.svd(M[open_], full_matrices=False)
        U[open_], s[open_], Vh[open_] = left[:, :, :1], values[:, 0], right[:, :1]
    return U, s, Vh


def _normalise(vectors: np.ndarray) -> np.ndarray:
    """Vectors over their norms; zero ones become the first unit vector."""
    norms = np.linalg.norm(vectors, axis=(1, 2), keepdims=True)
    result = vectors / np.where(norms == 0.0, 1.0, norms)
    result[norms[:, 0, 0] == 0.0, 0, 0] = 1.0
    return result


def _pad_axis(array: np.ndarray, axis: int, size: int) -> np.ndarray:
    """Fill an axis up with zeros."""
    missing = size - array.shape[axis]
    if missing <= 0:
        return array
    widths = [(0, 0)] * array.ndim
    widths[axis] = (0, missing)
    return np.pad(array, widths)


def joined(values: np.ndarray, others: np.ndarray, left: Pattern, right: Pattern) -> np.ndarray:
    """Return the entries of the product of two neighbouring factors."""
    M = columns(values, left, right) @ rows(others, left, right)
    whole = left.times(right)
    return M.transpose(0, 3, 4, 2, 1, 5).reshape(whole.a, whole.d, whole.b, whole.c)


def over_power_of_two(A: np.ndarray) -> tuple[np.ndarray, int]:
    """Return a double-precision copy over 2^e, and e: its largest part is in [1/2, 1) or zero."""
    A = np.array(A, dtype=np.complex128 if A.dtype.kind == "c" else np.float64, order="C")
    # Of a complex number, the modulus may be too large for a float64 where no part is.
    largest = max(float(np.abs(part).max(initial=0.0)) for part in (A.real, A.imag))
    exponent = int(np.frexp(largest)[1])
    return scaled(A, -exponent), exponent


def scaled(array: np.ndarray, power: int | np.ndarray) -> np.ndarray:
    """Multiply by powers of two, in steps none of which over- or underflows by itself."""
    half = power // 2
    product: np.ndarray = array * np.ldexp(1.0, half) * np.ldexp(1.0, power - half)
    return product
