"""Kernels that turn rows into exact sums of their coordinates on a grid, and of the products.

A coordinate is g = rint((x - center) / step), an integer below 2^80 in magnitude, and is written in
balanced digits g = g_0 + 2^28 g_1 + 2^56 g_2, each an int32 of at most 2^27 in magnitude. A product
of two digits is at most 2^54, and its sum over the 256 rows of a block at most 2^62, which is an
int64's. A column of a block has as many digits as its farthest row needs, nearly always one.

Everything is integer arithmetic but the rounding to the grid, which looks at one coordinate alone.
So no sum depends on the order of rows, on their neighbours, or on how the compiler vectorises.
"""

import numpy as np

from sketchlearn._kernels._policy import POLICY, kernel

DIGIT_BITS = 28
# Coordinates, in steps, from which a row is too far.
REACH = 2.0**80

_BITS = np.int64(DIGIT_BITS)
_HALF = np.int64(1 << (DIGIT_BITS - 1))
_MASK = np.int64((1 << DIGIT_BITS) - 1)
_ONE_DIGIT = 2.0 ** (DIGIT_BITS - 1)
_TWO_DIGITS = 2.0 ** (2 * DIGIT_BITS - 1)
_HIGHEST = 2.0 ** (2 * DIGIT_BITS)
# Sums of products are kept in two halves, since few blocks' would overflow an int64.
_LOW_HALF = np.int64((1 << 32) - 1)


@kernel()
def split_rows(rows, center, per_step, digits, n_digits, policy=POLICY):
    """Round rows to the grid, in digits; return whether all are within reach.

    rows (n, d) of float32 or float64; center, per_step (d,), inverse steps, float64. For blocks
    with g * b >= n, digits (g, 3, d, b) int32 and n_digits (g, d) are filled: of a column's digits
    that many, with zeros where there are no rows.
    """
    n_blocks, _, d, b = digits.shape
    steps = np.empty(b)
    for block in range(n_blocks):
        start = block * b
        size = min(b, len(rows) - start)
        steps[size:] = 0.0
        for j in range(d):
            largest = 0.0
            is_within = True
            for i in range(size):
                step = np.rint((rows[start + i, j] - center[j]) * per_step[j])
                steps[i] = step
                is_within &= abs(step) < REACH
                largest = max(largest, abs(step))
            if not is_within:
                return False
            low, middle, high = digits[block, 0, j], digits[block, 1, j], digits[block, 2, j]
            if largest < _ONE_DIGIT:
                n_digits[block, j] = 1
                for i in range(b):
                    low[i] = np.int32(steps[i])
                continue
            n_digits[block, j] = 2 if largest < _TWO_DIGITS else 3
            for i in range(b):
                top = np.rint(steps[i] / _HIGHEST)
                rest = np.int64(steps[i] - top * _HIGHEST)
                digit = ((rest + _HALF) & _MASK) - _HALF
                low[i] = digit
                middle[i] = (rest - digit) >> _BITS
                high[i] = np.int32(top)
    return True


@kernel()
def weigh_digits(digits, n_digits, weights, weighed, n_weighed, policy=POLICY):
    """Multiply coordinates by weights (g, b) int64, at most 2^40; digits (g, 5, d, b) are filled.

    Digits beyond n_weighed (g, d) are zero.
    """
    n_blocks, n_places, d, b = weighed.shape
    for block in range(n_blocks):
        for j in range(d):
            count = n_digits[block, j]
            used = 1
            for i in range(b):
                weight = weights[block, i]
                low = ((weight + _HALF) & _MASK) - _HALF
                high = (weight - low) >> _BITS
                carry = np.int64(0)
                for place in range(n_places):
                    if place < count:
                        carry += low * digits[block, place, j, i]
                    if 0 < place <= count:
                        carry += high * digits[block, place - 1, j, i]
                    digit = ((carry + _HALF) & _MASK) - _HALF
                    carry = (carry - digit) >> _BITS
                    weighed[block, place, j, i] = digit
                    if digit != 0 and place >= used:
                        used = place + 1
            n_weighed[block, j] = used


@kernel()
def add_moments(weighed, n_weighed, digits, n_digits, is_full, sums, policy=POLICY):
    """Add sums of weighed coordinates, and of their products with coordinates, place by place.

    sums (2, places, d + pairs) int64: first moments, then pairs j <= k in the order of rows of an
    upper triangle, or pairs j = k alone. What a place p counts is 2^(28 p), and the upper half of a
    sum is 2^32 times that.
    """
    n_blocks, _, d, b = digits.shape
    for block in range(n_blocks):
        at = d
        for j in range(d):
            stop = d if is_full else j + 1
            for p in range(n_weighed[block, j]):
                left = weighed[block, p, j]
                total = np.int64(0)
                for i in range(b):
                    total += np.int64(left[i])
                sums[0, p, j] += total
                for k in range(j, stop):
                    for q in range(n_digits[block, k]):
                        right = digits[block, q, k]
                        total = np.int64(0)
                        for i in range(b):
                            total += np.int64(left[i]) * np.int64(right[i])
                        sums[0, p + q, at + k - j] += total & _LOW_HALF
                        sums[1, p + q, at + k - j] += total >> np.int64(32)
            at += stop - j


@kernel()
def carry_sums(sums, shift, words, policy=POLICY):
    """Add 2^shift times what the sums (2, places, p) count to words (4, p) uint64, modulo 2^256.

    The words are a two's complement integer each, lowest first. The sums are cleared.
    """
    n_words = words.shape[0]
    for half in range(2):
        for place in range(sums.shape[1]):
            places = DIGIT_BITS * place + 32 * half + shift
            first, bits = places // 64, places % 64
            for entry in range(sums.shape[2]):
                value = sums[half, place, entry]
                if value == 0:
                    continue
                sums[half, place, entry] = 0
                part = np.uint64(value) << np.uint64(bits)
                carry = np.uint64(0)
                for k in range(first, n_words):
                    word = words[k, entry] + part
                    overflow = np.uint64(word < part)
                    word += carry
                    carry = overflow | np.uint64(word < carry)
                    words[k, entry] = word
                    # The next word's part: what the shift pushed out, then the sign.
                    part = np.uint64(value >> np.int64(63))
                    if k == first and bits > 0:
                        part = np.uint64(value >> np.int64(64 - bits))
