"""Kernels of blocks H D3 H D2 H D1: Walsh-Hadamard transforms of rows whose signs are flipped.

A row of p numbers, p a power of two and 128 at least, is multiplied by signs and by Hadamard's
matrix three times over. The matrix is not normalised: its entries are 1 and -1, so that sums of
small integers are exact. A transform is log2(p) stages, from pairs that are p / 2 apart to
neighbours; a stage replaces a and b by a + b and a - b. Nothing compiles with fast-math, and every
number comes of the same additions in the same order whatever the width of a vector, so that a
row's results are the same, bit for bit, on any CPU and whatever rows are beside it.

Rows lie one after the other: those of 1,024 float32 stay in the first-level cache, where tiles of
as many rows as a vector has lanes would not.

`signs` are bits, least significant first: 1 stands for -1. A block of p rows of the product has
3 p of them, those of D1 first.
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
)
from sketchlearn._kernels._policy import POLICY, VECTOR_BYTES, helper, intrinsic, kernel

N_ROUNDS = 3
# Fewest numbers of a transform: passes take two vectors at least, of the widest registers.
LEAST_SIZE = 128


def _flip(builder, vector, signs, bit):
    """Emit a vector whose lanes change sign where bits of a byte pointer are set, from one on."""
    lanes, byte = vector.type.count, ir.IntType(8)
    start = builder.gep(signs, [builder.lshr(bit, ir.Constant(bit.type, 3))])
    if lanes >= 8:
        bits = builder.load(builder.bitcast(start, ir.IntType(lanes).as_pointer()), align=1)
    else:
        shift = builder.trunc(builder.and_(bit, ir.Constant(bit.type, 7)), byte)
        bits = builder.trunc(builder.lshr(builder.load(start, align=1), shift), ir.IntType(lanes))
    mask = builder.bitcast(bits, ir.VectorType(ir.IntType(1), lanes))
    return builder.select(mask, builder.fneg(vector), vector)


def _stages_within(builder, vector):
    """Emit the stages of pairs within a vector."""
    kind, lanes = vector.type, vector.type.count
    apart = lanes // 2
    while apart:
        places = [i ^ apart for i in range(lanes)]
        indices = ir.Constant(ir.VectorType(ir.IntType(32), lanes), places)
        other = builder.shuffle_vector(vector, ir.Constant(kind, ir.Undefined), indices)
        ones = ir.Constant(kind, [-1.0 if i & apart else 1.0 for i in range(lanes)])
        vector = emit_call(builder, "fma", vector, ones, other)
        apart //= 2
    return vector


def _make_pass(radix, *, is_first=False, is_last=False):
    """Return an intrinsic for log2(radix) stages of one row, of pairs of vectors."""

    @intrinsic
    def one_pass(typingctx, x, x_at, y, y_at, signs, bit_at, n_vectors, stride):
        size = x.dtype.bitwidth // 8
        lanes = VECTOR_BYTES // size

        def codegen(context, builder, signature, args):
            element = ir.FloatType() if size == 4 else ir.DoubleType()
            vector = ir.VectorType(element, lanes)
            int64 = ir.IntType(64)
            source, target = (
                builder.bitcast(
                    emit_pointer(context, builder, signature, args, array, args[array + 1]),
                    vector.as_pointer(),
                )
                for array in (0, 2)
            )
            bits = emit_pointer(context, builder, signature, args, 4)
            stride = args[7]
            end = builder.udiv(args[6], ir.Constant(int64, radix))
            before = builder.block
            loop, done = (builder.append_basic_block(name) for name in ("pass.loop", "pass.done"))
            builder.branch(loop)
            builder.position_at_end(loop)
            t = builder.phi(int64)
            within = builder.and_(t, builder.sub(stride, ir.Constant(int64, 1)))
            base = builder.add(
                builder.mul(builder.sub(t, within), ir.Constant(int64, radix)), within
            )
            places = [
                builder.add(base, builder.mul(stride, ir.Constant(int64, r))) for r in range(radix)
            ]
            values = [builder.load(builder.gep(source, [at]), align=size) for at in places]
            if is_first:
                values = [
                    _flip(
                        builder,
                        value,
                        bits,
                        builder.add(args[5], builder.mul(at, ir.Constant(int64, lanes))),
                    )
                    for value, at in zip(values, places, strict=True)
                ]
            apart = radix // 2
            while apart:
                for r in range(radix):
                    if not r & apart:
                        a, b = values[r], values[r + apart]
                        values[r], values[r + apart] = builder.fadd(a, b), builder.fsub(a, b)
                apart //= 2
            if is_last:
                values = [_stages_within(builder, value) for value in values]
            for value, at in zip(values, places, strict=True):
                builder.store(value, builder.gep(target, [at]), align=size)
            following = builder.add(t, ir.Constant(int64, 1))
            t.add_incoming(ir.Constant(int64, 0), before)
            t.add_incoming(following, loop)
            builder.cbranch(builder.icmp_signed("<", following, end), loop, done)
            builder.position_at_end(done)
            return context.get_dummy_value()

        from numba import types

        index = types.int64
        return types.void(x, index, y, index, signs, index, index, index), codegen

    return one_pass


_first_2, _first_4, _first_8, _first_16 = (_make_pass(r, is_first=True) for r in (2, 4, 8, 16))
_middle_8 = _make_pass(8)
_last_4, _last_8, _last_16 = (_make_pass(r, is_last=True) for r in (4, 8, 16))


@intrinsic
def _lanes(typingctx, x):
    """Return how many of an array's numbers a vector holds."""
    lanes = VECTOR_BYTES // (x.dtype.bitwidth // 8)

    def codegen(context, builder, signature, args):
        return ir.Constant(ir.IntType(64), lanes)

    from numba import types

    return types.int64(x), codegen


def _make_addition(emit):
    """Return an intrinsic that adds the two integers of each phase of n_rows rows to totals.

    Of n frequencies, a multiple of a vector's lanes: phases times factors, from factors_at on, are
    in turns. Totals are flat, n of one integer and n of the other, int32.
    """

    @intrinsic
    def add_features(typingctx, phases, n_rows, factors, factors_at, offsets, totals, n):
        lanes = VECTOR_BYTES // 4
        size = phases.dtype.bitwidth // 8

        def codegen(context, builder, signature, args):
            element = ir.FloatType() if size == 4 else ir.DoubleType()
            int64, vector = ir.IntType(64), ir.VectorType(element, lanes)
            singles, counts = (
                ir.VectorType(kind, lanes) for kind in (ir.FloatType(), ir.IntType(32))
            )

            def at(array, kind, *offsets):
                pointer = emit_pointer(context, builder, signature, args, array, *offsets)
                return builder.bitcast(pointer, kind.as_pointer())

            zero, n = ir.Constant(int64, 0), args[6]
            before = builder.block
            names = ("wave.frequencies", "wave.rows", "wave.next", "wave.done")
            outer, inner, following, done = (builder.append_basic_block(name) for name in names)
            builder.branch(outer)
            builder.position_at_end(outer)
            i = builder.phi(int64)
            factor = builder.load(at(2, vector, args[3], i), align=size)
            offset = builder.load(at(4, singles, args[3], i), align=4)
            places = [at(5, counts, i), at(5, counts, n, i)]
            earlier = [builder.load(place, align=4) for place in places]
            builder.branch(inner)
            builder.position_at_end(inner)
            row = builder.phi(int64)
            sums = [builder.phi(counts) for _ in places]
            phase = builder.load(at(0, vector, builder.mul(row, n), i), align=size)
            patterns = emit(builder, builder.fmul(phase, factor), offset)
            new = [builder.add(total, one) for total, one in zip(sums, patterns, strict=True)]
            next_row = builder.add(row, ir.Constant(int64, 1))
            row.add_incoming(zero, outer)
            row.add_incoming(next_row, inner)
            for total, one, later in zip(sums, earlier, new, strict=True):
                total.add_incoming(one, outer)
                total.add_incoming(later, inner)
            builder.cbranch(builder.icmp_signed("<", next_row, args[1]), inner, following)
            builder.position_at_end(following)
            for place, later in zip(places, new, strict=True):
                builder.store(later, place, align=4)
            next_i = builder.add(i, ir.Constant(int64, lanes))
            i.add_incoming(zero, before)
            i.add_incoming(next_i, following)
            builder.cbranch(builder.icmp_signed("<", next_i, n), outer, done)
            builder.position_at_end(done)
            return context.get_dummy_value()

        from numba import types

        index = types.int64
        return types.void(phases, index, factors, index, offsets, totals, index), codegen

    return add_features


def _make_feature(emit):
    """Return an intrinsic for the two integers of one phase in turns."""

    @intrinsic
    def feature(typingctx, y, offset):
        def codegen(context, builder, signature, args):
            return context.make_tuple(builder, signature.return_type, emit(builder, *args))

        from numba import types

        return types.UniTuple(types.int32, 2)(y, types.float32), codegen

    return feature


_add_half_angles, _add_signs = _make_addition(emit_half_angles), _make_addition(emit_signs)
_half_angle, _signs = _make_feature(emit_half_angles), _make_feature(emit_signs)


@helper()
def _transform_once(x, x_at, y, y_at, signs, bit_at, p):
    """Fill p numbers of y with H D times those of x; both flat, and may be the same."""
    n = p // _lanes(x)
    stages = 0
    while 1 << stages < n:
        stages += 1
    # Stages between vectors: a first pass that flips signs, middle ones of three stages, and a last
    # one that goes on within the vectors.
    if stages < 6:
        first, last = stages // 2, stages - stages // 2
    else:
        first, last = 3 + (stages % 3 == 2), 3 + (stages % 3 > 0)
    stride = n >> first
    if first == 4:
        _first_16(x, x_at, y, y_at, signs, bit_at, n, stride)
    elif first == 3:
        _first_8(x, x_at, y, y_at, signs, bit_at, n, stride)
    elif first == 2:
        _first_4(x, x_at, y, y_at, signs, bit_at, n, stride)
    else:
        _first_2(x, x_at, y, y_at, signs, bit_at, n, stride)
    while stride > 1 << last:
        stride >>= 3
        _middle_8(y, y_at, y, y_at, signs, bit_at, n, stride)
    if last == 4:
        _last_16(y, y_at, y, y_at, signs, bit_at, n, np.int64(1))
    elif last == 3:
        _last_8(y, y_at, y, y_at, signs, bit_at, n, np.int64(1))
    else:
        _last_4(y, y_at, y, y_at, signs, bit_at, n, np.int64(1))


@helper()
def _transform(x, x_at, y, y_at, signs, bit_at, p):
    """Fill p numbers of y with H D3 H D2 H D1 times those of x; both flat, and may be the same."""
    for place in range(N_ROUNDS):
        _transform_once(x, x_at, y, y_at, signs, bit_at + place * p, p)
        x, x_at = y, y_at


@kernel()
def transform_rows(rows, signs, blocks, policy=POLICY):
    """Fill blocks (n, b, p) with H D3 H D2 H D1 times rows (n, p), of b blocks of signs."""
    n, b, p = blocks.shape
    x, y = rows.reshape(-1), blocks.reshape(-1)
    for block in range(b):
        for i in range(n):
            _transform(x, i * p, y, (i * b + block) * p, signs, block * N_ROUNDS * p, p)


@kernel()
def add_squares(signs, weights, first, of_features, of_products, policy=POLICY):
    """Add the squares of the entries of H D3 H D2 H D1, in some columns from the first on.

    weights (b, p) float64; of_products (b, p) gets the sum over the columns, exact up to 2^53, and
    of_features, as many as columns, that over the rows, each times its weight.

    Entry (i, j) of H D2 H is entry i xor j of H times the diagonal of D2, and no square hangs on
    D1: a transform a column is enough.
    """
    b, p = weights.shape
    column, entries, products = np.ones(p), np.empty(p), np.empty(p)
    for block in range(b):
        second = (block * N_ROUNDS + 1) * p
        column[:] = 1.0
        _transform_once(column, 0, entries, 0, signs, second, p)
        for place in range(len(of_features)):
            for i in range(p):
                column[i] = entries[i ^ (first + place)]
            _transform_once(column, 0, products, 0, signs, second + p, p)
            total = 0.0
            for j in range(p):
                square = products[j] * products[j]
                of_products[block, j] += square
                total += weights[block, j] * square
            of_features[place] += total


@kernel()
def pack_rows(rows, center, factors, slopes, limit, packed, is_far, policy=POLICY):
    """Centre rows (n, d) into packed (n, p), times factors; leave out those that lie too far off.

    A row is padded with zeros. It is far where the sum over its features of (slope * entry)^2
    exceeds the limit, or is NaN; zeros stand for it. slopes (p,) and limit are of packed's type,
    and so is that sum. is_far (n,) bool is filled; the number of far rows is returned.
    """
    n, d = rows.shape
    p = packed.shape[1]
    if rows.strides[0] < rows.strides[1]:
        for feature in range(d):
            for i in range(n):
                packed[i, feature] = (rows[i, feature] - center[feature]) * factors[feature]
    else:
        for i in range(n):
            for feature in range(d):
                packed[i, feature] = (rows[i, feature] - center[feature]) * factors[feature]
    n_far = 0
    squares = np.empty(p, packed.dtype)
    for i in range(n):
        row = packed[i]
        row[d:] = 0.0
        for j in range(p):
            phase = row[j] * slopes[j]
            squares[j] = phase * phase
        # Halves are added to each other: a fixed order that vectors of any width keep.
        half = p // 2
        while half:
            lower, upper = squares[:half], squares[half : 2 * half]
            for j in range(half):
                lower[j] += upper[j]
            half //= 2
        row_is_far = not squares[0] <= limit
        is_far[i] = row_is_far
        if row_is_far:
            row[:] = 0.0
            n_far += 1
    return n_far


@kernel()
def add_transforms(packed, signs, factors, phases, totals, sums, policy=POLICY):
    """Add the features of packed rows (n, p), n at most 1,023, to the sums of C and S (2, m).

    factors (b p,) turn products into turns, zero where padded; phases (g, p) and totals (2, p)
    int32 are scratch.
    """
    n, p = packed.shape
    g, m = len(phases), sums.shape[1]
    x, y, flat = packed.reshape(-1), phases.reshape(-1), totals.reshape(-1)
    offset = np.int32(n) * MAGIC_BITS
    offsets = np.zeros(len(factors), np.float32)
    for first in range(0, m, p):
        totals[:] = 0
        for start in range(0, n, g):
            size = min(g, n - start)
            for i in range(size):
                _transform(x, (start + i) * p, y, i * p, signs, N_ROUNDS * first, p)
            _add_half_angles(y, size, factors, first, offsets, flat, p)
        for j in range(min(p, m - first)):
            sums[0, first + j] += np.uint32(totals[0, j] - offset)
            sums[1, first + j] += np.int32(totals[1, j] - offset)


@kernel()
def add_weighted_transforms(packed, weights, signs, factors, phases, sums, policy=POLICY):
    """Add the weighted features of packed rows; weights (n,) int64, in units of 2^-20."""
    n, p = packed.shape
    m = sums.shape[1]
    x, row = packed.reshape(-1), phases[0]
    for first in range(0, m, p):
        size = min(p, m - first)
        for i in range(n):
            _transform(x, i * p, row, 0, signs, N_ROUNDS * first, p)
            weight = weights[i]
            for j in range(size):
                c, s = _half_angle(row[j] * factors[first + j], np.float32(0.0))
                c_units = np.int64(c - MAGIC_BITS) * weight + WEIGHT_HALF
                s_units = np.int64(s - MAGIC_BITS) * weight + WEIGHT_HALF
                sums[0, first + j] += c_units >> WEIGHT_BITS
                sums[1, first + j] += s_units >> WEIGHT_BITS


@kernel()
def add_sign_transforms(packed, signs, factors, offsets, phases, totals, sums, policy=POLICY):
    """Add the signs of cosines and sines of packed rows to their sums, in units of 2^-20.

    Arguments are those of `add_transforms`, and offsets (b p,) float32, four times the dithers less
    a half. A row of zeros counts as any other row.
    """
    n, p = packed.shape
    g, m = len(phases), sums.shape[1]
    x, y, flat = packed.reshape(-1), phases.reshape(-1), totals.reshape(-1)
    for first in range(0, m, p):
        totals[:] = 0
        for start in range(0, n, g):
            size = min(g, n - start)
            for i in range(size):
                _transform(x, (start + i) * p, y, i * p, signs, N_ROUNDS * first, p)
            _add_signs(y, size, factors, first, offsets, flat, p)
        for j in range(min(p, m - first)):
            sums[0, first + j] += np.int64(n - totals[0, j]) << WEIGHT_BITS
            sums[1, first + j] += np.int64(n - totals[1, j]) << WEIGHT_BITS


@kernel()
def add_weighted_sign_transforms(
    packed, weights, signs, factors, offsets, phases, sums, policy=POLICY
):
    """Add the weighted signs of packed rows; weights (n,) int64, in units of 2^-20."""
    n, p = packed.shape
    m = sums.shape[1]
    x, row = packed.reshape(-1), phases[0]
    for first in range(0, m, p):
        size = min(p, m - first)
        for i in range(n):
            _transform(x, i * p, row, 0, signs, N_ROUNDS * first, p)
            weight = weights[i]
            for j in range(size):
                c_twice, s_twice = _signs(row[j] * factors[first + j], offsets[first + j])
                sums[0, first + j] += (1 - c_twice) * weight
                sums[1, first + j] += (1 - s_twice) * weight
