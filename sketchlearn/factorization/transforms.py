"""Classical transforms as butterflies, written down rather than searched."""

from __future__ import annotations

import numpy as np

from sketchlearn._validation import check_count
from sketchlearn.factorization.butterfly import Butterfly
from sketchlearn.factorization.chains import Pattern, square_dyadic


def bit_reversal(n: int) -> np.ndarray:
    """Return the indices 0, ..., n - 1 with their bits reversed.

    Parameters
    ----------
    n : int
        A power of two.

    Returns
    -------
    ndarray of shape (n,)
        A permutation, its own inverse.

    Raises
    ------
    ValueError
        If n is no power of two.

    Examples
    --------
    >>> bit_reversal(8)
    array([0, 4, 2, 6, 1, 5, 3, 7])
    """
    n = check_count(n, "n")
    if n & (n - 1):
        raise ValueError(f"bits are reversed for powers of two only, got {n}")
    return _digit_reversal([2] * (n.bit_length() - 1))


def dft_butterfly(n: int, dtype: type = np.complex128) -> Butterfly:
    """Return the discrete Fourier transform, ``numpy.fft.fft`` without a norm, as a butterfly.

    With n = b m, the transform is (F_b (x) I_m) T (I_b (x) F_m) and a stride permutation (Cooley
    and Tukey 1965), one factor for each prime b of n. For a power of two the chain is
    `square_dyadic` and the permutation the reversal of bits; a large prime makes a dense block.

    Parameters
    ----------
    n : int
        Length.
    dtype : type, default=complex128
        complex64 or complex128.

    Returns
    -------
    Butterfly
        ``dft_butterfly(n) @ x`` is ``numpy.fft.fft(x)`` up to rounding.

    Raises
    ------
    TypeError, ValueError
        If n is no positive integer or `dtype` not complex.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(12.0)
    >>> bool(np.allclose(dft_butterfly(12) @ x, np.fft.fft(x)))
    True
    """
    n = check_count(n, "n")
    kind = np.dtype(dtype)
    if kind.name not in ("complex64", "complex128"):
        raise TypeError(f"dtype must be complex64 or complex128, got {kind}")
    radices = _prime_factors(n) or [1]
    chain, values = [], []
    a, rest = 1, n
    for b in radices:
        rest //= b
        chain.append(Pattern(a, b, b, rest))
        p, q, k = np.ogrid[:b, :b, :rest]
        # The exponent modulo the order of the root of unity keeps the angle, so its error, small.
        turns = (p * q * rest + q * k) % (b * rest) / (b * rest)
        block = _roots_of_unity(turns).transpose(2, 0, 1)
        values.append(np.broadcast_to(block, (a, rest, b, b)).astype(kind))
        a *= b
    return Butterfly(values, chain, permutation=_digit_reversal(radices))


def hadamard_butterfly(n: int, dtype: type = np.float64) -> Butterfly:
    """Return Hadamard's matrix of Sylvester's construction, ``scipy.linalg.hadamard``.

    Parameters
    ----------
    n : int
        A power of two, at least 2.
    dtype : type, default=float64
        Of the factors.

    Returns
    -------
    Butterfly
        log2 n factors of entries 1 and -1.

    Raises
    ------
    TypeError, ValueError
        If n is no power of two or `dtype` not one of a butterfly's.

    Examples
    --------
    >>> hadamard_butterfly(2).toarray()
    array([[ 1.,  1.],
           [ 1., -1.]])
    """
    chain = square_dyadic(n)
    block: np.ndarray = np.array([[1, 1], [1, -1]], dtype=dtype)
    return Butterfly([np.broadcast_to(block, (p.a, p.d, 2, 2)) for p in chain], chain)


def _roots_of_unity(turns: np.ndarray) -> np.ndarray:
    """exp(-2 pi i t) for t in [0, 1), with exact zeros, which exp itself rounds to 1e-16."""
    roots: np.ndarray = np.exp(-2j * np.pi * turns)
    roots.real[turns % 0.5 == 0.25] = 0.0
    roots.imag[turns % 0.5 == 0.0] = 0.0
    return roots


def _prime_factors(n: int) -> list[int]:
    primes, p = [], 2
    while n > 1:
        while n % p == 0:
            primes.append(p)
            n //= p
        p += 1
        if p * p > n > 1:
            primes.append(n)
            break
    return primes


def _digit_reversal(radices: list[int]) -> np.ndarray:
    """For each place of the stages' output, the index of the input that stands there."""
    order = np.arange(int(np.prod(radices, dtype=np.int64)))
    blocks = order[None, :]
    for b in radices:
        # A block of b m inputs becomes b blocks: every b-th input from the first, the second, ...
        blocks = blocks.reshape(len(blocks), -1, b).transpose(0, 2, 1)
        blocks = blocks.reshape(-1, blocks.shape[2])
    return np.ascontiguousarray(blocks.ravel())
