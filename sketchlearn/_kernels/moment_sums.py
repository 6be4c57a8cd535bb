"""Kernels that turn rows into exact sums of their coordinates on a grid, and of the products.

A coordinate is g = rint((x - center) / step), an integer below 2^80 in magnitude, and is written in
balanced digits g = g_0 + 2^28 g_1 + 2^56 g_2, each an int32 of at most 2^27 in magnitude. A product
of two digits is at most 2^54, and its sum over the 256 rows of a block at most 2^62, which is an
int64's. A column of a block has as many digits as its farthest row needs, nearly always one.

Everything is integer arithmetic but the rounding to the grid, which looks at one coordinate alone.
So no sum depends on the order of rows, on their neighbours, or on how the compiler vectorises.
"""

import numpy as np

from sketchlearn._kernels._policy import POLICY, helper, kernel

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
# Columns that are read at once: eight of float64 are a cache line.
_COLUMNS = 8


@kernel()
def split_rows(rows, center, per_step, digits, ends, policy=POLICY):
    """Round rows to the grid, in digits; return whether all are within reach.

    rows (n, d) of float32 or float64; center, per_step (d,), inverse steps, float64. For blocks
    with g * b >= n, digits (g, 3 d, b) int32 are filled: those of the first column from the lowest
    on, as many as it needs, then the next one's; zeros where there are no rows. ends (g, d) int64
    is where a column's end.
    """
    n_blocks, _, b = digits.shape
    d = rows.shape[1]
    steps = np.empty(b)
    # A cache line of each row at a time: read column by column, wide rows evict one another.
    columns = np.empty((_COLUMNS, b + 8))
    for block in range(n_blocks):
        start = block * b
        size = min(b, len(rows) - start)
        steps[size:] = 0.0
        end = 0
        for j in range(d):
            at = j % _COLUMNS
            if at == 0:
                if d - j >= _COLUMNS:
                    for i in range(size):
                        for k in range(_COLUMNS):
                            columns[k, i] = rows[start + i, j + k]
                else:
                    for k in range(d - j):
                        for i in range(size):
                            columns[k, i] = rows[start + i, j + k]
            # Counts, since a largest number is not found by vector instructions.
            n_far = 0
            n_long = 0
            n_longer = 0
            for i in range(size):
                step = np.rint((columns[at, i] - center[j]) * per_step[j])
                steps[i] = step
                n_far += not abs(step) < REACH
                n_long += not abs(step) < _ONE_DIGIT
                n_longer += not abs(step) < _TWO_DIGITS
            if n_far > 0:
                return False
            low = digits[block, end]
            if n_long == 0:
                for i in range(b):
                    low[i] = np.int32(steps[i])
                end += 1
            else:
                middle, high = digits[block, end + 1], digits[block, end + 2]
                for i in range(b):
                    top = np.rint(steps[i] / _HIGHEST)
                    rest = np.int64(steps[i] - top * _HIGHEST)
                    digit = ((rest + _HALF) & _MASK) - _HALF
                    low[i] = digit
                    middle[i] = (rest - digit) >> _BITS
                    high[i] = np.int32(top)
                end += 2 if n_longer == 0 else 3
            ends[block, j] = end
    return True


@kernel()
def weigh_digits(digits, ends, weights, weighed, weighed_ends, policy=POLICY):
    """Multiply coordinates by weights (g, b) int64, at most 2^40; digits (g, 5 d, b) are filled.

    Where a column's end is filled into weighed_ends (g, d).
    """
    n_blocks, d = ends.shape
    b = weights.shape[1]
    low, high, carry = np.empty(b, np.int32), np.empty(b, np.int32), np.empty(b, np.int64)
    for block in range(n_blocks):
        any_high = np.int32(0)
        for i in range(b):
            digit = ((weights[block, i] + _HALF) & _MASK) - _HALF
            low[i] = digit
            high[i] = (weights[block, i] - digit) >> _BITS
            any_high |= high[i]
        row = 0
        end = 0
        for j in range(d):
            # A row's product with the lower digit of the weight, and the row before with the other.
            after = ends[block, j]
            carry[:] = 0
            is_done = False
            while not is_done:
                if row < after:
                    for i in range(b):
                        carry[i] += np.int64(low[i]) * np.int64(digits[block, row, i])
                if any_high != 0 and row > (ends[block, j - 1] if j > 0 else 0) and row <= after:
                    for i in range(b):
                        carry[i] += np.int64(high[i]) * np.int64(digits[block, row - 1, i])
                rest = np.int64(0)
                for i in range(b):
                    digit = ((carry[i] + _HALF) & _MASK) - _HALF
                    weighed[block, end, i] = digit
                    carry[i] = (carry[i] - digit) >> _BITS
                    rest |= carry[i]
                row += 1
                end += 1
                is_done = rest == 0 and row >= after + (any_high != 0)
            row = after
            weighed_ends[block, j] = end


@helper(inline=True)
def _multiply(left, rows, first, last, totals):
    """Fill totals from first to last with the sums of left times each row, four at a time."""
    b = left.shape[0]
    r = first
    while r + 4 <= last:
        row_0, row_1, row_2, row_3 = rows[r], rows[r + 1], rows[r + 2], rows[r + 3]
        total_0, total_1, total_2, total_3 = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
        for i in range(b):
            x = np.int64(left[i])
            total_0 += x * np.int64(row_0[i])
            total_1 += x * np.int64(row_1[i])
            total_2 += x * np.int64(row_2[i])
            total_3 += x * np.int64(row_3[i])
        totals[r], totals[r + 1], totals[r + 2], totals[r + 3] = total_0, total_1, total_2, total_3
        r += 4
    for s in range(r, last):
        total = np.int64(0)
        for i in range(b):
            total += np.int64(left[i]) * np.int64(rows[s, i])
        totals[s] = total


@kernel()
def add_moments(weighed, weighed_ends, digits, ends, is_full, sums, policy=POLICY):
    """Add sums of weighed coordinates, and of their products with coordinates; return the places.

    sums (places, 2, d + pairs) int64: first moments, then pairs j <= k in the order of rows of an
    upper triangle, or pairs j = k alone. What a place p counts is 2^(28 p), and the upper half of a
    sum is 2^32 times that. Places from the returned one on are as they were.
    """
    n_blocks, d = ends.shape
    n_places = 0
    totals = np.empty(digits.shape[1], np.int64)
    for block in range(n_blocks):
        at = d
        left = 0
        first = 0
        for j in range(d):
            stop = d if is_full else j + 1
            for p in range(weighed_ends[block, j] - left):
                total = np.int64(0)
                for i in range(digits.shape[2]):
                    total += np.int64(weighed[block, left + p, i])
                sums[p, 0, j] += total
                last = ends[block, stop - 1]
                _multiply(weighed[block, left + p], digits[block], first, last, totals)
                row = first
                for k in range(j, stop):
                    for q in range(ends[block, k] - row):
                        sums[p + q, 0, at + k - j] += totals[row + q] & _LOW_HALF
                        sums[p + q, 1, at + k - j] += totals[row + q] >> np.int64(32)
                        n_places = max(n_places, p + q + 1)
                    row = ends[block, k]
            left = weighed_ends[block, j]
            first = ends[block, j]
            at += stop - j
    return n_places


@kernel()
def carry_sums(sums, shift, words, policy=POLICY):
    """Add 2^shift times what the sums (places, 2, p) count to words (4, p) uint64, modulo 2^256.

    The words are a two's complement integer each, lowest first. The sums are cleared.
    """
    n_words = words.shape[0]
    for place in range(sums.shape[0]):
        for half in range(2):
            places = DIGIT_BITS * place + 32 * half + shift
            first, bits = places // 64, places % 64
            for entry in range(sums.shape[2]):
                value = sums[place, half, entry]
                if value == 0:
                    continue
                sums[place, half, entry] = 0
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


@kernel()
def add_run_moments(
    rows, weights, starts, stops, groups, grid, is_full, digits, weighed, sums, words, policy=POLICY
):
    """Add the moments of runs of rows, each to the words of its group; return -1, or a bad row.

    Runs are from starts (r,) to stops (r,) of rows (n, d) float64; groups (r,) index words
    (n_groups, 4, p) uint64. weights (n,) int64, or (0,) where rows have none. grid (2, d): center
    and inverse steps. Scratch: digits (1, 3 d, b), weighed (1, 5 d, b) int32, and sums
    (places, 2, p) int64, zeros. Nothing more is added from a run on in which a row is too far; the
    first row of the b that it is among is returned.
    """
    b = digits.shape[2]
    d = rows.shape[1]
    ends, weighed_ends = np.empty((1, d), np.int64), np.empty((1, d), np.int64)
    own = np.zeros((1, b), np.int64)
    shift = 0 if len(weights) else 20
    for run in range(len(starts)):
        n_places = 0
        for at in range(starts[run], stops[run], b):
            stop = min(at + b, stops[run])
            if not split_rows(rows[at:stop], grid[0], grid[1], digits, ends):
                sums[:] = 0
                return at
            if len(weights):
                # A loop: slices that are assigned take seconds to compile.
                for i in range(b):
                    own[0, i] = weights[at + i] if at + i < stop else 0
                weigh_digits(digits, ends, own, weighed, weighed_ends)
                n = add_moments(weighed, weighed_ends, digits, ends, is_full, sums)
            else:
                n = add_moments(digits, ends, digits, ends, is_full, sums)
            n_places = max(n_places, n)
        carry_sums(sums[:n_places], shift, words[groups[run]])
    return -1
