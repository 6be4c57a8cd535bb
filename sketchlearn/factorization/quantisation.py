"""Factors of few significand bits, chosen together rather than one by one.

A product x y^T does not change when x is divided by a number and y multiplied by it, but its
rounding does. The best pair of vectors with t significand bits is therefore looked for among the
roundings of l x and mu y (Gribonval, Mary and Riccietti, hal-04125381, to whom the optimality of
this form is due; the guide to sparse factors proves it). Bits count the significand, its leading
one among them; signs and exponents come on top, and exponents are not limited.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sketchlearn._kernels.rounding import quantise_complex, quantise_real
from sketchlearn._validation import check_count
from sketchlearn.factorization.butterfly import Butterfly
from sketchlearn.factorization.chains import Chain, product_of
from sketchlearn.factorization.splits import (
    columns,
    from_columns,
    from_rows,
    joined,
    over_power_of_two,
    rows,
    scaled,
)
from sketchlearn.sources.exact_values import require_no_mask

METHODS = ("optimal", "left-to-right", "pairwise", "round")
# An exhaustive search takes a time of m 2^bits; a significand of float32 has 24, of float64 53.
MOST_SEARCHED, MOST = 20, {"float32": 24, "float64": 53, "complex64": 24, "complex128": 53}
# Four times as much is still a float64.
LARGEST = 2.0**1020
# Complex multipliers that are tried for each pair of vectors.
N_CANDIDATES = 4096


def round_significand(x: np.ndarray, bits: int) -> np.ndarray:
    """Round every number, or real and imaginary part, to the nearest with `bits` significand bits.

    Parameters
    ----------
    x : array-like
        Real or complex.
    bits : int
        From 1 to 53, the leading one among them. A tie is rounded away from zero.

    Returns
    -------
    ndarray of float64 or complex128
        Of x's shape.

    Raises
    ------
    TypeError, ValueError
        If x is not numeric or not finite, is rounded beyond the largest float64, or `bits` is no
        integer from 1 to 53.

    Examples
    --------
    >>> import numpy as np
    >>> round_significand(np.array([1.0, 1.2, 1.3, 100.0]), 2)
    array([ 1. ,  1. ,  1.5, 96. ])
    """
    bits = _check_bits(bits, 53)
    require_no_mask(x, "x")
    array = np.array(x, dtype=np.complex128 if np.iscomplexobj(x) else np.float64, order="C")
    if not np.isfinite(array).all():
        raise ValueError("x must be finite, got NaN or infinity")
    if bits == 53:
        return array
    numbers = array.reshape(-1).view(np.float64)
    # Subnormal numbers have a leading one of their own, which only the scaled ones show.
    tiny = np.abs(numbers) < np.finfo(np.float64).tiny
    numbers[tiny] *= 2.0**64
    words = numbers.view(np.int64)
    drop = 53 - bits
    words += 1 << (drop - 1)
    words &= ~((1 << drop) - 1)
    numbers[tiny] *= 2.0**-64
    if not np.isfinite(numbers).all():
        raise ValueError(f"x is rounded to infinity: it is too large for {bits} bits in float64")
    return array


def quantise_rank_one(x: np.ndarray, y: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Return x^ and y^ of `bits` significand bits for which ``||x y^T - x^ y^^T||`` is least.

    For real vectors the pair is optimal: x^ is the rounding of l x for an l in [1, 2), which is
    piecewise constant in l, and every piece is tried; y^ is then the rounding of mu y with
    mu = <x^, x> / ||x^||^2. The shorter vector comes first; it takes a time of
    min(m, n) 2^bits (m + n). For complex vectors the same is done for 4,096 multipliers l, one of
    them 1, and the best is improved by turns: no worse than rounding, but not proved optimal
    (the CROQuant algorithm of Chaumette and co-authors searches the complex plane).

    Parameters
    ----------
    x, y : array-like (m,), (n,)
        Real or complex; there is no conjugate in ``x y^T``.
    bits : int
        From 1 to 20.

    Returns
    -------
    ndarray (m,), ndarray (n,)
        x^ and y^, float64 or complex128.

    Raises
    ------
    TypeError, ValueError
        If x or y is not a finite non-empty vector, or `bits` out of range.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = np.array([1.2, 1.0]), np.array([1.0, 0.83])
    >>> best = quantise_rank_one(x, y, 4)
    >>> naive = round_significand(x, 4), round_significand(y, 4)
    >>> errors = [float(np.linalg.norm(np.outer(x, y) - np.outer(*pair))) for pair in (best, naive)]
    >>> errors[0] < 0.7 * errors[1]
    True
    """
    bits = _check_bits(bits, MOST_SEARCHED)
    x, y = check_vector(x, "x"), check_vector(y, "y")
    if np.iscomplexobj(x) or np.iscomplexobj(y):
        x, y = x.astype(np.complex128), y.astype(np.complex128)
    X, Y, _ = _quantise_pairs(x[None], y[None], bits)
    return X[0], Y[0]


def quantise(butterfly: Butterfly, bits: int, method: str = "optimal") -> Butterfly:
    """Round the factors of a butterfly to few significand bits, at the least error of the product.

    Parameters
    ----------
    butterfly : Butterfly
        What to quantise; its file and `nbytes` are then those of the packed bits.
    bits : int
        Bits of the significand of a number, or of a real and an imaginary part: from 1 to 20, or
        to what the type has for "round". Of a complex number, a part below 2^-(2 bits + 4) of the
        other becomes zero, which keeps the range of exponents small.
    method : str, default="optimal"
        "round"
            Every entry to the nearest.
        "left-to-right"
            Column i of a factor is quantised together with row i of the product of all factors to
            its right (`quantise_rank_one`); that row's multiplier goes into the next factor.
        "pairwise"
            Factors 1 and 2, 3 and 4 and so on are quantised together, column by row.
        "optimal"
            That of the three whose product has the least error. Each pair of vectors is optimal
            if real; the product of several factors is not proved to be.

    Returns
    -------
    Butterfly
        Of the same type, with `bits` and the `relative_error` to the butterfly that was given.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    Examples
    --------
    >>> from sketchlearn.factorization import dft_butterfly
    >>> B = dft_butterfly(64)
    >>> best, naive = (quantise(B, 6, method) for method in ("optimal", "round"))
    >>> best.relative_error < 0.7 * naive.relative_error, best.nbytes < B.nbytes / 6
    (True, True)
    """
    if not isinstance(butterfly, Butterfly):
        raise TypeError(f"expected a Butterfly, got {type(butterfly).__name__}")
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    most = MOST[butterfly.dtype.name]
    bits = _check_bits(bits, most if method == "round" else MOST_SEARCHED)
    values, exponents = zip(*map(over_power_of_two, butterfly.values), strict=True)
    chain = butterfly.chain
    ways = {
        "round": lambda: [round_significand(array, bits) for array in values],
        "left-to-right": lambda: _quantise_left_to_right(values, chain, bits),
        "pairwise": lambda: _quantise_pairwise(values, chain, bits),
    }
    tried = ways if method == "optimal" else {method: ways[method]}
    found = [
        _as_butterfly(butterfly, list(map(scaled, way(), exponents)), bits)
        for way in tried.values()
    ]
    return min(found, key=lambda one: one.relative_error or 0.0)


def check_vector(x: Any, name: str) -> np.ndarray:
    """Return a finite non-empty vector, float64 or complex128; an error if it is none."""
    require_no_mask(x, name)
    vector = np.asarray(x)
    if vector.dtype.kind not in "biufc":
        raise TypeError(f"{name} must be numeric, got type {vector.dtype}")
    if vector.ndim != 1 or vector.size == 0:
        raise ValueError(f"{name} must be a vector with entries, got shape {vector.shape}")
    vector = vector.astype(np.complex128 if vector.dtype.kind == "c" else np.float64)
    if not np.isfinite(vector).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    if np.abs(vector).max() > LARGEST:
        raise ValueError(
            f"{name} must be below {LARGEST:.0e} in modulus, got {np.abs(vector).max()}"
        )
    return vector


def _check_bits(bits: Any, most: int) -> int:
    bits = check_count(bits, "bits")
    if bits > most:
        raise ValueError(f"bits must be at most {most} here, got {bits}")
    return bits


def _find_exponents(X: np.ndarray) -> np.ndarray:
    """For each row the power of two that is about the largest modulus of a part, as a column."""
    return np.frexp(np.maximum(np.abs(X.real), np.abs(X.imag)).max(axis=1, keepdims=True))[1]


def _quantise_pairs(
    X: np.ndarray, Y: np.ndarray, bits: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Quantise x_i y_i^T for each row i; give the rows and the multipliers mu_i of y_i."""
    # Over powers of two, which change no significand, no square over- or underflows.
    of_X, of_Y = _find_exponents(X), _find_exponents(Y)
    X, Y = scaled(X, -of_X), scaled(Y, -of_Y)
    if X.shape[1] > Y.shape[1]:
        Y_out, X_out, _ = _search_pairs(Y, X, bits)
        square = np.sum(np.abs(X_out) ** 2, axis=1)
        product = np.sum(X_out.conj() * X, axis=1)
        multipliers = product / np.where(square == 0.0, 1.0, square)
    else:
        X_out, Y_out, multipliers = _search_pairs(X, Y, bits)
    return scaled(X_out, of_X), scaled(Y_out, of_Y), multipliers


def _search_pairs(
    X: np.ndarray, Y: np.ndarray, bits: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `_quantise_pairs`, for rows of about one, by a search over multiples of those of X."""
    X, Y = np.ascontiguousarray(X), np.ascontiguousarray(Y)
    X_out, Y_out = np.zeros_like(X), np.zeros_like(Y)
    multipliers = np.zeros(len(X), dtype=X.dtype)
    if X.dtype.kind == "f":
        quantise_real(X, Y, bits, X_out, Y_out, multipliers)
    else:
        pairs = [_view_as_real_pairs(array) for array in (X_out, Y_out, multipliers)]
        quantise_complex(
            _view_as_real_pairs(X),
            _view_as_real_pairs(Y),
            bits,
            _view_as_real_pairs(_spread_multipliers()),
            *pairs,
        )
    return X_out, Y_out, multipliers


def _view_as_real_pairs(array: np.ndarray) -> np.ndarray:
    """Complex numbers as pairs of real ones, in the same memory."""
    return array.view(np.float64).reshape(*array.shape, 2)


def _spread_multipliers() -> np.ndarray:
    """Multipliers that cover 1 <= |l| < 2, 0 <= arg l < pi / 2 evenly, 1 among them.

    Powers of two and of i change no significand. The points are a lattice of the golden ratio.
    """
    n = np.arange(N_CANDIDATES)
    turns = n * (np.sqrt(5.0) - 1.0) / 2.0 % 1.0
    return 2.0 ** (n / N_CANDIDATES) * np.exp(0.5j * np.pi * turns)


def _quantise_left_to_right(
    values: Sequence[np.ndarray], chain: Chain, bits: int
) -> list[np.ndarray]:
    """Quantise columns of each factor against rows of all that stands to its right."""
    tails = [values[-1]]
    for place in range(len(chain) - 2, 0, -1):
        right = product_of(chain[place + 1 :])
        tails.append(joined(values[place], tails[-1], chain[place], right))
    result = []
    now = values[0]
    for place, tail in enumerate(reversed(tails[: len(chain) - 1])):
        left, following = chain[place], chain[place + 1]
        U = columns(now, left, product_of(chain[place + 1 :]))
        Vh = rows(tail, left, product_of(chain[place + 1 :]))
        X, _, multipliers = _of_units(U, Vh, bits)
        # Columns of about one norm, so that errors further to the right weigh alike.
        norms = np.linalg.norm(X, axis=1)
        powers = np.ldexp(1.0, np.frexp(np.where(norms > 0, norms, 1.0))[1])
        X, multipliers = X / powers[:, None], multipliers * powers
        result.append(from_columns(_units_back(X, U), left))
        V = rows(values[place + 1], left, following)
        now = from_rows(V * multipliers.reshape(*V.shape[:-1], 1), following)
    return [*result, round_significand(now, bits)]


def _quantise_pairwise(values: Sequence[np.ndarray], chain: Chain, bits: int) -> list[np.ndarray]:
    """Quantise neighbours together, the first with the second and so on."""
    result = []
    for place in range(0, len(chain) - 1, 2):
        left, right = chain[place], chain[place + 1]
        U, Vh = columns(values[place], left, right), rows(values[place + 1], left, right)
        X, Y, _ = _of_units(U, Vh, bits)
        result += [from_columns(_units_back(X, U), left), from_rows(Y.reshape(Vh.shape), right)]
    return result if len(chain) % 2 == 0 else [*result, round_significand(values[-1], bits)]


def _of_units(
    U: np.ndarray, Vh: np.ndarray, bits: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Quantise the columns of blocks U (..., b, r) with the rows of Vh (..., r, c)."""
    X = np.swapaxes(U, -1, -2).reshape(-1, U.shape[-2])
    return _quantise_pairs(X, Vh.reshape(-1, Vh.shape[-1]), bits)


def _units_back(X: np.ndarray, U: np.ndarray) -> np.ndarray:
    """Columns, one a row of X, in the layout of the blocks U that they come from."""
    shape = (*U.shape[:-2], U.shape[-1], U.shape[-2])
    return np.swapaxes(X.reshape(shape), -1, -2)


def _without_dust(array: np.ndarray, bits: int) -> np.ndarray:
    """Drop real or imaginary parts far below the other, which would widen all exponents."""
    if array.dtype.kind == "c":
        dust = 2.0 ** -(2 * bits + 4)
        real, imag = np.abs(array.real), np.abs(array.imag)
        array.real[real < dust * imag] = 0.0
        array.imag[imag < dust * real] = 0.0
    return array


def _as_butterfly(original: Butterfly, values: list[np.ndarray], bits: int) -> Butterfly:
    """Factors of few bits as a butterfly that knows its error."""
    kept = [_without_dust(array, bits).astype(original.dtype) for array in values]
    result = Butterfly(kept, original.chain, permutation=original.permutation, bits=bits)
    exact, exponent = over_power_of_two(original.toarray())
    norm = np.linalg.norm(exact)
    error = np.linalg.norm(exact - scaled(result.toarray().astype(exact.dtype), -exponent))
    result.relative_error = float(error / norm) if norm > 0.0 else 0.0
    return result
