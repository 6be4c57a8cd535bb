"""Numbers of few significand bits, packed to those bits.

A number is zero or (-1)^s 1.f 2^e. With t significand bits, the leading one among them, a packed
number has the sign (1 bit), f (t - 1 bits) and e less the least exponent of its array, plus one
(as many bits as the widest needs; all zero for a zero). Complex numbers are two real ones.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def largest_bits(values: Iterable[np.ndarray]) -> int:
    """Significand bits that the longest number needs, the leading one among them; 0 for zeros."""
    return max(
        (int(_count_significand_bits(parts(array)).max(initial=0)) for array in values), default=0
    )


def parts(array: np.ndarray) -> np.ndarray:
    """Real and imaginary parts in a flat array of float64 (exact for every type of factors)."""
    flat = np.ascontiguousarray(array).ravel()
    if flat.dtype.kind == "c":
        flat = flat.view(flat.real.dtype)
    return flat.astype(np.float64)


def packed_size(values: Iterable[np.ndarray], bits: int) -> int:
    """Bytes that `pack` gives for each array, summed."""
    total = 0
    for array in values:
        flat = parts(array)
        total += -(-flat.size * (bits + _exponent_bits(flat)) // 8)
    return total


def pack(array: np.ndarray, bits: int) -> tuple[np.ndarray, int, int]:
    """Pack an array whose parts have at most `bits` significand bits.

    Returns
    -------
    ndarray of uint8
        The bits, the last byte filled up with zeros.
    int
        The least exponent.
    int
        Bits of an exponent.
    """
    flat = parts(array)
    width = _exponent_bits(flat)
    significand, exponent = np.frexp(np.abs(flat))
    is_zero = flat == 0
    least = int(exponent[~is_zero].min()) if not is_zero.all() else 0
    codes = np.where(is_zero, 0, exponent - least + 1).astype(np.uint64)
    # The leading one, worth 1/2 of frexp's significand, is not stored.
    fraction = np.where(is_zero, 0.0, significand - 0.5) * 2.0**bits
    words = [np.signbit(flat).astype(np.uint64), codes, fraction.astype(np.uint64)]
    table = np.concatenate(
        [_words_to_bits(w, n) for w, n in zip(words, (1, width, bits - 1), strict=True)], axis=1
    )
    return np.packbits(table), least, width


def unpack(data: np.ndarray, bits: int, least: int, width: int, n_parts: int) -> np.ndarray:
    """Return the float64 parts that `pack` packed; ValueError if `data` is of another length."""
    per_number = bits + width
    if data.size != -(-n_parts * per_number // 8):
        raise ValueError(f"{n_parts} numbers of {per_number} bits are not in {data.size} bytes")
    table = np.unpackbits(data, count=n_parts * per_number).reshape(n_parts, per_number)
    sign, code, fraction = (
        _bits_to_words(columns) for columns in np.split(table, [1, 1 + width], axis=1)
    )
    significand = 0.5 + fraction.astype(np.float64) * 2.0**-bits
    size = np.where(code == 0, 0.0, np.ldexp(significand, code.astype(np.int64) - 1 + least))
    return np.where(sign == 1, -size, size)


def _count_significand_bits(flat: np.ndarray) -> np.ndarray:
    significand = np.abs(np.frexp(flat)[0])
    whole = (significand * 2.0**53).astype(np.int64)
    lowest = whole & -whole
    return np.where(whole == 0, 0, 54 - np.frexp(lowest.astype(np.float64))[1])


def _exponent_bits(flat: np.ndarray) -> int:
    """Bits for an exponent of these numbers, zero told apart."""
    exponents = np.frexp(flat[flat != 0])[1]
    if exponents.size == 0:
        return 0
    return int(exponents.max() - exponents.min() + 1).bit_length()


def _words_to_bits(words: np.ndarray, n_bits: int) -> np.ndarray:
    """Lowest bits of each word, the highest first, as 0 and 1."""
    shifts = np.arange(n_bits - 1, -1, -1, dtype=np.uint64)
    return ((words[:, None] >> shifts) & np.uint64(1)).astype(np.uint8)


def _bits_to_words(columns: np.ndarray) -> np.ndarray:
    """Words of bits, the highest first."""
    result = np.zeros(len(columns), dtype=np.uint64)
    for column in columns.T:
        result = (result << np.uint64(1)) | column.astype(np.uint64)
    return result
