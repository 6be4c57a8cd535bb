"""Kernels that turn rows into integer sums of cosines and sines.

With y a phase in turns and r = y - rint(y), the half-angle forms are

    C = sin(pi r)^2,             cos(2 pi y) = 1 - 2 C
    S = sin(pi r) cos(pi r),     sin(2 pi y) = 2 S

and both are rounded once to a multiple of 2^-22, then summed as integers. The polynomials are
scaled by 2^11 so that their products arrive scaled by 2^22; adding 1.5 * 2^23 to such a float
leaves the rounded integer in the low bits of its pattern, so patterns can be added as int32 and
the constant's pattern taken off once a block. For up to 1,023 rows the sum of C fits in 32
unsigned bits (0 <= C <= 2^22) and that of S in 32 signed ones (|S| <= 2^21).

Nothing here compiles with fast-math: every multiply-add is an explicit fused one and the rest is
exact or correctly rounded, so a row's integers depend neither on its neighbours, nor on the
kernel that computes them, nor on how the compiler vectorises the loop.

Rows of zeros contribute exactly nothing, which is what blocks are padded with.
"""

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from sketchlearn._kernels._policy import (
    FUSED_BLOCK,
    FUSED_BLOCK_FEATURES,
    FUSED_BLOCK_WIDE,
)

# Minimax fits in u = r^2 over [0, 1/4] (Remez exchange): sin(pi r) / r with the error weighted by
# |r|, and cos(pi r); the largest errors are 3.4e-9 and 4.7e-8.
# Scaling by a power of two is exact.
_SCALE = 2.0**11
_S0 = np.float32(3.1415925800447386 * _SCALE)
_S1 = np.float32(-5.167706878927013 * _SCALE)
_S2 = np.float32(2.550031377289246 * _SCALE)
_S3 = np.float32(-0.5980451741682167 * _SCALE)
_S4 = np.float32(0.07722012903440595 * _SCALE)
_C0 = np.float32(0.9999999534666701 * _SCALE)
_C1 = np.float32(-4.9347928586756025 * _SCALE)
_C2 = np.float32(4.058411914173809 * _SCALE)
_C3 = np.float32(-1.33188016129198 * _SCALE)
_C4 = np.float32(0.2196967986903742 * _SCALE)

_MAGIC = np.float32(1.5 * 2.0**23)
_MAGIC_BITS = np.int32(0x4B400000)

# Weights are multiples of 2^-20; adding half a unit before the shift rounds to nearest.
_WEIGHT_BITS = np.int64(20)
_WEIGHT_HALF = np.int64(2**19)


@intrinsic
def _fma(typingctx, a, b, c):
    """Give a * b + c, rounded once."""

    def codegen(context, builder, signature, args):
        return builder.fma(*args)

    return a(a, a, a), codegen


@intrinsic
def _rint(typingctx, x):
    """Round to the nearest integer, ties to even, in one instruction."""

    def codegen(context, builder, signature, args):
        function = builder.module.declare_intrinsic("llvm.rint", [args[0].type])
        return builder.call(function, args)

    return x(x), codegen


@intrinsic
def _bits(typingctx, x):
    """Give the bit pattern of a float32 as an int32."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(32))

    return types.int32(types.float32), codegen


@numba.njit(inline="always")
def _half_angle(y):
    """Give the patterns of C and S, units of 2^-22, of a phase in turns."""
    r = np.float32(y - _rint(y))
    u = r * r
    h = r * _fma(_fma(_fma(_fma(_S4, u, _S3), u, _S2), u, _S1), u, _S0)
    g = _fma(_fma(_fma(_fma(_C4, u, _C3), u, _C2), u, _C1), u, _C0)
    return _bits(_fma(h, h, _MAGIC)), _bits(_fma(h, g, _MAGIC))


@numba.njit(nogil=True, cache=True)
def pack_columns(rows, center, limit, blocks):
    """Centre rows into blocks of columns, padded with zeros; count the entries beyond `limit`.

    rows (n, d), center (d,), blocks (g, d, b) with g * b >= n, of float32 or float64.
    An entry that is NaN counts as beyond the limit.
    """
    n, d = rows.shape
    g, _, b = blocks.shape
    n_bad = 0
    for block in range(g):
        start = block * b
        size = min(b, n - start)
        for feature in range(d):
            middle = center[feature]
            column = blocks[block, feature]
            for i in range(size):
                value = rows[start + i, feature] - middle
                n_bad += not abs(value) <= limit
                column[i] = value
            for i in range(max(size, 0), b):
                column[i] = 0.0
    return n_bad


@numba.njit(nogil=True, cache=True)
def pack_rows(rows, center, limit, block):
    """Centre rows into one block, padded with zeros; count the entries beyond `limit`.

    rows (n, d), center (d,), block (b, d) with b >= n, of float32 or float64.
    """
    n, d = rows.shape
    n_bad = 0
    for i in range(n):
        for feature in range(d):
            value = rows[i, feature] - center[feature]
            n_bad += not abs(value) <= limit
            block[i, feature] = value
    block[n:] = 0.0
    return n_bad


@numba.njit(nogil=True, cache=True)
def add_columns(dims, blocks, turns, sums):
    """Add the features of blocks of columns to the sums of C and S.

    dims: a tuple of d integers of any value. Its length is part of the compiled type, which
    unrolls the loops over features. blocks (g, d, b) of the block size for d; turns (m, d) of the
    blocks' type; sums (2, m) int64.
    """
    d = len(dims)
    b = FUSED_BLOCK if d <= FUSED_BLOCK_FEATURES else FUSED_BLOCK_WIDE
    offset = np.int32(b) * _MAGIC_BITS
    for block in range(blocks.shape[0]):
        columns = blocks[block]
        for j in range(turns.shape[0]):
            c_sum = np.int32(0)
            s_sum = np.int32(0)
            for i in range(b):
                y = columns[0, i] * turns[j, 0]
                for feature in range(1, d):
                    y = _fma(columns[feature, i], turns[j, feature], y)
                c, s = _half_angle(y)
                c_sum += c
                s_sum += s
            sums[0, j] += np.uint32(c_sum - offset)
            sums[1, j] += np.int32(s_sum - offset)


@numba.njit(nogil=True, cache=True)
def add_weighted_columns(dims, blocks, weights, turns, sums):
    """Add the weighted features of blocks of columns; weights (g, b) int64, zero where padded."""
    d = len(dims)
    b = FUSED_BLOCK if d <= FUSED_BLOCK_FEATURES else FUSED_BLOCK_WIDE
    for block in range(blocks.shape[0]):
        columns = blocks[block]
        for j in range(turns.shape[0]):
            c_sum = np.int64(0)
            s_sum = np.int64(0)
            for i in range(b):
                y = columns[0, i] * turns[j, 0]
                for feature in range(1, d):
                    y = _fma(columns[feature, i], turns[j, feature], y)
                c, s = _half_angle(y)
                weight = weights[block, i]
                c_sum += (np.int64(c - _MAGIC_BITS) * weight + _WEIGHT_HALF) >> _WEIGHT_BITS
                s_sum += (np.int64(s - _MAGIC_BITS) * weight + _WEIGHT_HALF) >> _WEIGHT_BITS
            sums[0, j] += c_sum
            sums[1, j] += s_sum


@numba.njit(nogil=True, cache=True)
def add_phases(phases, partial, sums):
    """Add the features of a block of phases to the sums of C and S.

    phases (b, m) in turns, b a multiple of four and at most 1,023; partial (2, m) int32, scratch;
    sums (2, m) int64.
    """
    b, m = phases.shape
    partial[:] = 0
    for i in range(0, b, 4):
        for j in range(m):
            c0, s0 = _half_angle(phases[i, j])
            c1, s1 = _half_angle(phases[i + 1, j])
            c2, s2 = _half_angle(phases[i + 2, j])
            c3, s3 = _half_angle(phases[i + 3, j])
            partial[0, j] += (c0 + c1) + (c2 + c3)
            partial[1, j] += (s0 + s1) + (s2 + s3)
    offset = np.int32(b) * _MAGIC_BITS
    for j in range(m):
        sums[0, j] += np.uint32(partial[0, j] - offset)
        sums[1, j] += np.int32(partial[1, j] - offset)


@numba.njit(nogil=True, cache=True)
def add_weighted_phases(phases, weights, sums):
    """Add the weighted features of a block of phases; weights (b,) int64, zero where padded."""
    b, m = phases.shape
    for i in range(b):
        weight = weights[i]
        if weight == 0:
            continue
        for j in range(m):
            c, s = _half_angle(phases[i, j])
            sums[0, j] += (np.int64(c - _MAGIC_BITS) * weight + _WEIGHT_HALF) >> _WEIGHT_BITS
            sums[1, j] += (np.int64(s - _MAGIC_BITS) * weight + _WEIGHT_HALF) >> _WEIGHT_BITS
