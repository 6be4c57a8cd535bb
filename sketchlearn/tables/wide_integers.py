"""Integers of 256 bits in arrays: words of 64 bits in memory, and limbs that plain SQL can add.

A limb is a signed integer of 64 bits that counts :math:`2^{32 k}`. Limbs are written balanced,
from -2^31 to 2^31 - 1, so that the sums of up to 2^31 of them are integers of 64 bits again: any
engine adds limbs by itself, each column apart, and the integers come back exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sketchlearn.features.moments import N_WORDS, WORD, add_words

LIMB_BITS = 32
# Limbs beyond this are of more than 2^31 integers.
LARGEST_LIMB = 2**62

_MASK = np.int64(2**LIMB_BITS - 1)
_HALF = np.int64(2 ** (LIMB_BITS - 1))


def add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Add words (n, 4, p) uint64, lowest first, of two's complements."""
    return _along_words(add_words, a, b, 0)


def subtract(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Subtract words (n, 4, p) uint64."""
    return _along_words(add_words, a, ~b, 1)


def _along_words(function: Any, a: np.ndarray, b: np.ndarray, carry: int) -> np.ndarray:
    total = function(a.swapaxes(0, 1), b.swapaxes(0, 1), carry)
    return np.ascontiguousarray(total.swapaxes(0, 1))


def sum_by_starts(words: np.ndarray, order: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Add words (n, 4, p), in an order, from each start to the next; (n_starts, 4, p)."""
    limbs = []
    for k in range(2 * N_WORDS):
        digits = (words[:, k // 2] >> np.uint64(LIMB_BITS * (k % 2))) & np.uint64(_MASK)
        limbs.append(np.add.reduceat(digits.astype(np.int64)[order], starts, axis=0))
    return to_words(limbs)


def to_limbs(words: np.ndarray, n_limbs: int) -> list[np.ndarray]:
    """Return limbs, lowest first, each (n,) int64, of integers in words (n, 4).

    Parameters
    ----------
    words : ndarray of shape (n, 4) uint64
        Two's complements.
    n_limbs : int
        How many; the highest holds whatever is left, which must be below 2^63.
    """
    limbs = []
    carry = np.zeros(len(words), np.int64)
    for k in range(n_limbs):
        word = words[:, k // 2]
        digit = ((word >> np.uint64(LIMB_BITS * (k % 2))) & np.uint64(_MASK)).astype(np.int64)
        if k == n_limbs - 1:
            # The digits above the last, with their sign: those of the next word or of this one.
            above = words[:, (k + 1) // 2].view(np.int64)
            high = above >> LIMB_BITS if k % 2 == 0 else above
            limbs.append(digit + carry + (high << LIMB_BITS))
            break
        total = digit + carry
        limb = ((total + _HALF) & _MASK) - _HALF
        carry = (total - limb) >> LIMB_BITS
        limbs.append(limb)
    return limbs


def to_words(limbs: list[np.ndarray]) -> np.ndarray:
    """Return the words (n, 4, ...) uint64 of limbs (n, ...), below 2^62 in magnitude."""
    shape = limbs[0].shape
    words = np.zeros((shape[0], N_WORDS, *shape[1:]), np.uint64)
    carry = np.zeros(shape, np.int64)
    for k in range(2 * N_WORDS):
        total = carry + limbs[k] if k < len(limbs) else carry
        digit = (total & _MASK).astype(np.uint64)
        words[:, k // 2] |= digit << np.uint64(LIMB_BITS * (k % 2))
        carry = total >> LIMB_BITS
    return words


def from_integers(integers: np.ndarray) -> np.ndarray:
    """Return the words (n, 4) uint64 of Python's integers (n,)."""
    words = np.empty((len(integers), N_WORDS), np.uint64)
    rest = integers
    for k in range(N_WORDS):
        words[:, k] = (rest % WORD).astype(np.uint64)
        rest = rest // WORD
    return words


def to_integer(words: np.ndarray) -> int:
    """Return Python's integer of words (4,)."""
    return int.from_bytes(words.astype("<u8").tobytes(), "little", signed=True)
