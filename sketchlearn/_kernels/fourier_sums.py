"""Kernels that turn rows into integer sums of cosines and sines.

With y a phase in turns and r = y - rint(y), the half-angle forms are

    C = sin(pi r)^2,             cos(2 pi y) = 1 - 2 C
    S = sin(pi r) cos(pi r),     sin(2 pi y) = 2 S

and both are rounded once to a multiple of 2^-22, then summed as integers. The polynomials are
scaled by 2^11 so that their products arrive scaled by 2^22; adding 1.5 * 2^23 to such a float
leaves the rounded integer in the low bits of its pattern, so patterns can be added as int32 and
the constant's pattern taken off once a block. For up to 1,023 rows the sum of C fits in 32
unsigned bits (0 <= C <= 2^22) and that of S in 32 signed ones (|S| <= 2^21).

Nothing here compiles with fast-math: every multiply-add is an explicit fused one, in a fixed order
over the features, and the rest is exact or correctly rounded. So a row's integers depend neither
on its neighbours, nor on the kernel or the CPU that computes them, nor on how the compiler
vectorises the loop. That is also why there is no BLAS here: OpenBLAS for one sums some rows of a
block in another order than others (its sgemm for CPUs without AVX-512 does).

Rows of zeros contribute exactly nothing, which is what blocks are padded with.
"""

import numpy as np
from llvmlite import ir

from sketchlearn._kernels._emission import (
    MAGIC_BITS,
    WEIGHT_BITS,
    WEIGHT_HALF,
    emit_call,
    emit_half_angles,
    emit_pointer,
    emit_signs,
    emit_splat,
)
from sketchlearn._kernels._policy import (
    FEATURE_CHUNK,
    POLICY,
    STAGED_FEATURES,
    TILE_FREQUENCIES,
    TILE_VECTORS,
    VECTOR_BYTES,
    helper,
    intrinsic,
    kernel,
)

# What half angles are given where signs are given their dither.
_NO_OFFSET = np.float32(0.0)


def _make_feature(emit):
    """Return an intrinsic for the two integers of one phase in turns."""

    @intrinsic
    def feature(typingctx, y, offset):
        def codegen(context, builder, signature, args):
            return context.make_tuple(builder, signature.return_type, emit(builder, *args))

        from numba import types

        return types.UniTuple(types.int32, 2)(y, types.float32), codegen

    return feature


def _make_sum(emit):
    """Return an intrinsic that sums the two integers of n phases in turns, from p_at on.

    n is a multiple of a vector's lanes. The compiler would choose vectors of half the width.
    """

    @intrinsic
    def feature_sum(typingctx, p, p_at, n, offset):
        lanes = VECTOR_BYTES // 4
        size = p.dtype.bitwidth // 8

        def codegen(context, builder, signature, args):
            element = ir.FloatType() if size == 4 else ir.DoubleType()
            vector, int64 = ir.VectorType(element, lanes), ir.IntType(64)
            zeros = ir.Constant(ir.VectorType(ir.IntType(32), lanes), None)
            start = emit_pointer(context, builder, signature, args, 0, args[1])
            offset = emit_splat(builder, args[3], lanes)
            before = builder.block
            loop, done = (builder.append_basic_block(name) for name in ("sum.loop", "sum.done"))
            builder.branch(loop)
            builder.position_at_end(loop)
            i = builder.phi(int64)
            sums = [builder.phi(zeros.type) for _ in range(2)]
            at = builder.bitcast(builder.gep(start, [i]), vector.as_pointer())
            patterns = emit(builder, builder.load(at, align=size), offset)
            new = [builder.add(total, one) for total, one in zip(sums, patterns, strict=True)]
            next_i = builder.add(i, ir.Constant(int64, lanes))
            i.add_incoming(ir.Constant(int64, 0), before)
            i.add_incoming(next_i, loop)
            for total, later in zip(sums, new, strict=True):
                total.add_incoming(zeros, before)
                total.add_incoming(later, loop)
            builder.cbranch(builder.icmp_signed("<", next_i, args[2]), loop, done)
            builder.position_at_end(done)
            totals = [emit_call(builder, "vector.reduce.add", total) for total in new]
            return context.make_tuple(builder, signature.return_type, totals)

        from numba import types

        arguments = p, types.int64, types.int64, types.float32
        return types.UniTuple(types.int32, 2)(*arguments), codegen

    return feature_sum


_half_angle, _signs = _make_feature(emit_half_angles), _make_feature(emit_signs)
_sum_half_angles, _sum_signs = _make_sum(emit_half_angles), _make_sum(emit_signs)


@kernel()
def pack_tiles(rows, center, slopes, limit, tiles, is_far, policy=POLICY):
    """Centre rows into tiles of columns, padded with zeros; leave out those that lie too far off.

    rows (n, d), center (d,), tiles (t, d, tile_rows) with t * tile_rows >= n, of float32 or
    float64. A row is far where the sum over its features of (slope * entry)^2 exceeds the limit,
    or is NaN; zeros stand for it in the tiles. slopes (d,) and limit are of the tiles' type, and so
    is that sum. is_far (n,) bool is filled; the number of far rows is returned.
    """
    n_tiles, d, tile_rows = tiles.shape
    n_far = 0
    by_columns = rows.strides[0] < rows.strides[1] or d < STAGED_FEATURES
    if by_columns:
        for feature in range(d):
            for t in range(n_tiles):
                size = max(0, min(tile_rows, len(rows) - t * tile_rows))
                for i in range(size):
                    tiles[t, feature, i] = rows[t * tile_rows + i, feature] - center[feature]
                tiles[t, feature, size:] = 0.0
    staged = np.empty((tile_rows, 0 if by_columns else d), tiles.dtype)
    squares = np.empty(tile_rows, tiles.dtype)
    for t in range(n_tiles):
        size = max(0, min(tile_rows, len(rows) - t * tile_rows))
        if not by_columns:
            # Long rows are read from end to end, as memory likes it, before they are transposed.
            for i in range(size):
                for feature in range(d):
                    staged[i, feature] = rows[t * tile_rows + i, feature] - center[feature]
            staged[size:] = 0.0
            for feature in range(d):
                for i in range(tile_rows):
                    tiles[t, feature, i] = staged[i, feature]
        squares[:] = 0.0
        for feature in range(d):
            column = tiles[t, feature]
            for i in range(tile_rows):
                phase = column[i] * slopes[feature]
                squares[i] += phase * phase
        for i in range(size):
            row_is_far = not squares[i] <= limit
            is_far[t * tile_rows + i] = row_is_far
            if row_is_far:
                tiles[t, :, i] = 0.0
                n_far += 1
    return n_far


@intrinsic
def _project_tile(typingctx, x, x_at, w, w_at, n, p, p_at, stride, is_first):
    """Phases of one tile, TILE_VECTORS vectors of rows by TILE_FREQUENCIES frequencies.

    In elements of the flat arrays: x at x_at holds n features by the tile's rows, w at w_at n
    features by frequencies; p at p_at holds frequencies by rows, `stride` apart, and is set, or
    added to where is_first is 0. All sums stay in vector registers: left to itself the compiler
    keeps them in memory, at a third of the speed.
    """
    size = x.dtype.bitwidth // 8
    lanes = VECTOR_BYTES // size

    def codegen(context, builder, signature, args):
        element = ir.FloatType() if size == 4 else ir.DoubleType()
        vector = ir.VectorType(element, lanes)
        int32, int64 = ir.IntType(32), ir.IntType(64)
        zeros = ir.Constant(vector, None)
        lane_zero = ir.Constant(ir.VectorType(int32, lanes), None)

        def pointer(array, *offsets):
            return emit_pointer(context, builder, signature, args, array, *offsets)

        def as_vector(start, i):
            at = builder.gep(start, [ir.Constant(int64, i * lanes)])
            return builder.bitcast(at, vector.as_pointer())

        tile = [(q, v) for q in range(TILE_FREQUENCIES) for v in range(TILE_VECTORS)]
        before = builder.block
        loop, done = (builder.append_basic_block(name) for name in ("tile.loop", "tile.done"))
        builder.branch(loop)

        builder.position_at_end(loop)
        k = builder.phi(int64)
        k.add_incoming(ir.Constant(int64, 0), before)
        sums = {at: builder.phi(vector) for at in tile}
        rows = pointer(0, args[1], builder.mul(k, ir.Constant(int64, TILE_VECTORS * lanes)))
        weights = pointer(2, args[3], builder.mul(k, ir.Constant(int64, TILE_FREQUENCIES)))
        xs = [builder.load(as_vector(rows, v), align=size) for v in range(TILE_VECTORS)]
        ws = []
        for q in range(TILE_FREQUENCIES):
            weight = builder.load(builder.gep(weights, [ir.Constant(int64, q)]), align=size)
            single = builder.insert_element(zeros, weight, ir.Constant(int32, 0))
            ws.append(builder.shuffle_vector(single, zeros, lane_zero))
        new = {(q, v): emit_call(builder, "fma", xs[v], ws[q], sums[q, v]) for q, v in tile}
        next_k = builder.add(k, ir.Constant(int64, 1))
        k.add_incoming(next_k, loop)
        for at in tile:
            sums[at].add_incoming(zeros, before)
            sums[at].add_incoming(new[at], loop)
        builder.cbranch(builder.icmp_signed("<", next_k, args[4]), loop, done)

        builder.position_at_end(done)
        first = builder.icmp_signed("!=", args[8], ir.Constant(int64, 0))
        for q, v in tile:
            row = builder.mul(args[7], ir.Constant(int64, q))
            out = as_vector(pointer(5, args[6], row), v)
            earlier = builder.select(first, zeros, builder.load(out, align=size))
            builder.store(builder.fadd(earlier, new[q, v]), out, align=size)
        return context.get_dummy_value()

    from numba import types

    index = types.int64
    return types.void(x, index, w, index, index, p, index, index, index), codegen


@helper(inline=True)
def _project_panel(block, turns, first, phases):
    """Fill phases (panel, b) of a block's rows, from a frequency on that begins a group of six."""
    n_tiles, d, tile_rows = block.shape
    panel, b = phases.shape
    start = first // TILE_FREQUENCIES
    stop = min(start + panel // TILE_FREQUENCIES, turns.shape[0])
    x, w, p = block.reshape(-1), turns.reshape(-1), phases.reshape(-1)
    for t in range(n_tiles):
        for k in range(0, d, FEATURE_CHUNK):
            n = min(FEATURE_CHUNK, d - k)
            for j in range(start, stop):
                _project_tile(
                    x,
                    (t * d + k) * tile_rows,
                    w,
                    (j * d + k) * TILE_FREQUENCIES,
                    n,
                    p,
                    (j - start) * TILE_FREQUENCIES * b + t * tile_rows,
                    b,
                    np.int64(k == 0),
                )


@kernel()
def add_tiles(blocks, turns, phases, sums, policy=POLICY):
    """Add the features of blocks of tiles to the sums of C and S.

    blocks (g, b / tile_rows, d, tile_rows) with b at most 1,023; turns (m / 6 rounded up, d, 6) of
    the blocks' type, zero where padded; phases (panel, b), scratch, panel a multiple of 6;
    sums (2, m) int64. A chunk of FEATURE_CHUNK features is summed by itself first, which keeps the
    rounding errors of long rows down.
    """
    panel, b = phases.shape
    m = sums.shape[1]
    flat = phases.reshape(-1)
    offset = np.int32(b) * MAGIC_BITS
    for block in range(blocks.shape[0]):
        for first in range(0, m, panel):
            _project_panel(blocks[block], turns, first, phases)
            for j in range(first, min(first + panel, m)):
                c_sum, s_sum = _sum_half_angles(flat, (j - first) * b, b, _NO_OFFSET)
                sums[0, j] += np.uint32(c_sum - offset)
                sums[1, j] += np.int32(s_sum - offset)


@kernel()
def add_weighted_tiles(blocks, weights, turns, phases, sums, policy=POLICY):
    """Add the weighted features of blocks of tiles; weights (g, b) int64, zero where padded."""
    panel, b = phases.shape
    m = sums.shape[1]
    for block in range(blocks.shape[0]):
        for first in range(0, m, panel):
            _project_panel(blocks[block], turns, first, phases)
            for j in range(first, min(first + panel, m)):
                row = phases[j - first]
                c_sum = np.int64(0)
                s_sum = np.int64(0)
                for i in range(b):
                    c, s = _half_angle(row[i], _NO_OFFSET)
                    weight = weights[block, i]
                    c_sum += (np.int64(c - MAGIC_BITS) * weight + WEIGHT_HALF) >> WEIGHT_BITS
                    s_sum += (np.int64(s - MAGIC_BITS) * weight + WEIGHT_HALF) >> WEIGHT_BITS
                sums[0, j] += c_sum
                sums[1, j] += s_sum


@kernel()
def add_tile_runs(blocks, at, starts, stops, groups, turns, phases, sums, policy=POLICY):
    """Add the features of runs of rows, each to the sums of its group.

    blocks, turns and phases as `add_tiles` has them, the first row of the blocks being row `at`.
    Runs are in order, from starts (r,) to stops (r,) int64, all multiples of RUN_ROWS; parts of
    runs that lie in other blocks are left out. groups (r,) index sums (n_groups, 2, m) int64.
    """
    panel, b = phases.shape
    m = sums.shape[2]
    flat = phases.reshape(-1)
    first_run = 0
    for block in range(blocks.shape[0]):
        low = at + block * b
        while first_run < len(stops) and stops[first_run] <= low:
            first_run += 1
        for first in range(0, m, panel):
            _project_panel(blocks[block], turns, first, phases)
            for j in range(first, min(first + panel, m)):
                run = first_run
                while run < len(starts) and starts[run] < low + b:
                    begin = max(starts[run] - low, 0)
                    n = min(stops[run] - low, b) - begin
                    c_sum, s_sum = _sum_half_angles(flat, (j - first) * b + begin, n, _NO_OFFSET)
                    offset = np.int32(n) * MAGIC_BITS
                    sums[groups[run], 0, j] += np.uint32(c_sum - offset)
                    sums[groups[run], 1, j] += np.int32(s_sum - offset)
                    run += 1


@kernel()
def add_weighted_tile_runs(
    blocks, weights, at, starts, stops, groups, turns, phases, sums, policy=POLICY
):
    """Add the weighted features of runs; weights (g, b) int64, zero where no row is."""
    panel, b = phases.shape
    m = sums.shape[2]
    first_run = 0
    for block in range(blocks.shape[0]):
        low = at + block * b
        while first_run < len(stops) and stops[first_run] <= low:
            first_run += 1
        for first in range(0, m, panel):
            _project_panel(blocks[block], turns, first, phases)
            for j in range(first, min(first + panel, m)):
                row = phases[j - first]
                run = first_run
                while run < len(starts) and starts[run] < low + b:
                    c_sum = np.int64(0)
                    s_sum = np.int64(0)
                    for i in range(max(starts[run] - low, 0), min(stops[run] - low, b)):
                        c, s = _half_angle(row[i], _NO_OFFSET)
                        weight = weights[block, i]
                        c_sum += (np.int64(c - MAGIC_BITS) * weight + WEIGHT_HALF) >> WEIGHT_BITS
                        s_sum += (np.int64(s - MAGIC_BITS) * weight + WEIGHT_HALF) >> WEIGHT_BITS
                    sums[groups[run], 0, j] += c_sum
                    sums[groups[run], 1, j] += s_sum
                    run += 1


@kernel()
def add_sign_tiles(blocks, turns, offsets, phases, sums, policy=POLICY):
    """Add the signs of cosines and sines of blocks of tiles to their sums, in units of 2^-20.

    Arguments are those of `add_tiles`, and offsets (m,) float32, four times the dithers less half.
    A row of zeros counts as any other row.
    """
    panel, b = phases.shape
    m = sums.shape[1]
    flat = phases.reshape(-1)
    for block in range(blocks.shape[0]):
        for first in range(0, m, panel):
            _project_panel(blocks[block], turns, first, phases)
            for j in range(first, min(first + panel, m)):
                c_twice, s_twice = _sum_signs(flat, (j - first) * b, b, offsets[j])
                sums[0, j] += np.int64(b - c_twice) << WEIGHT_BITS
                sums[1, j] += np.int64(b - s_twice) << WEIGHT_BITS


@kernel()
def add_weighted_sign_tiles(blocks, weights, turns, offsets, phases, sums, policy=POLICY):
    """Add the weighted signs of blocks of tiles; weights (g, b) int64, zero where padded."""
    panel, b = phases.shape
    m = sums.shape[1]
    for block in range(blocks.shape[0]):
        for first in range(0, m, panel):
            _project_panel(blocks[block], turns, first, phases)
            for j in range(first, min(first + panel, m)):
                row = phases[j - first]
                for i in range(b):
                    c_twice, s_twice = _signs(row[i], offsets[j])
                    weight = weights[block, i]
                    sums[0, j] += (1 - c_twice) * weight
                    sums[1, j] += (1 - s_twice) * weight
