"""What kernels emit for LLVM themselves: the waves of a phase, calls and addresses."""

import numpy as np
from llvmlite import ir

from sketchlearn._kernels._policy import COSINE, SINE

# Scaling by a power of two is exact.
_SCALE = 2.0**11

_MAGIC = np.float32(1.5 * 2.0**23)
MAGIC_BITS = np.int32(0x4B400000)

# Weights are multiples of 2^-20; adding half a unit before the shift rounds to nearest.
WEIGHT_BITS = np.int64(20)
WEIGHT_HALF = np.int64(2**19)


def splat(kind, value):
    """Return a constant of a scalar type, or of a vector type with it in every lane."""
    return ir.Constant(kind, [value] * kind.count if isinstance(kind, ir.VectorType) else value)


def emit_splat(builder, value, lanes):
    """Emit a vector with a value in every lane."""
    nothing = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    single = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(
        single, nothing, ir.Constant(ir.VectorType(ir.IntType(32), lanes), None)
    )


def emit_call(builder, name, *args):
    """Emit a call of one of LLVM's overloaded intrinsics, for scalars or vectors."""
    from numba.core import cgutils

    kind = element = args[0].type
    suffix = ""
    if isinstance(kind, ir.VectorType):
        element, suffix = kind.element, f"v{kind.count}"
    suffix += element.intrinsic_name
    result = element if name.startswith("vector.reduce") else kind
    signature = ir.FunctionType(result, [arg.type for arg in args])
    function = cgutils.get_or_insert_function(builder.module, signature, f"llvm.{name}.{suffix}")
    return builder.call(function, args)


def emit_polynomial(builder, coefficients, u):
    """Emit Horner's rule, scaled by 2^11, one rounding a step."""
    kind = u.type
    terms = [splat(kind, float(np.float32(c * _SCALE))) for c in coefficients]
    value = terms[-1]
    for term in terms[-2::-1]:
        value = emit_call(builder, "fma", value, u, term)
    return value


def emit_patterns(builder, y):
    """Emit the patterns of C and S of phases in turns, a scalar or a vector of either type."""
    r = builder.fsub(y, emit_call(builder, "rint", y))
    single, pattern = ir.FloatType(), ir.IntType(32)
    if isinstance(y.type, ir.VectorType):
        single, pattern = (ir.VectorType(kind, y.type.count) for kind in (single, pattern))
    if r.type != single:
        r = builder.fptrunc(r, single)
    u = builder.fmul(r, r)
    h = builder.fmul(r, emit_polynomial(builder, SINE, u))
    g = emit_polynomial(builder, COSINE, u)
    magic = splat(single, float(_MAGIC))
    return [builder.bitcast(emit_call(builder, "fma", h, x, magic), pattern) for x in (h, g)]


def emit_half_angles(builder, y, offset):
    """Emit the patterns of C and S of phases; the offset is of no use to them."""
    return emit_patterns(builder, y)


def emit_signs(builder, y, offset):
    """Emit twice whether cosine and sine of phases are negative, as integers 0 and 2.

    The offset is four times the dither less a half, so that 4 y plus it, rounded, is the quarter of
    the turn in which the dithered phase lies.
    """
    single, pattern = ir.FloatType(), ir.IntType(32)
    if isinstance(y.type, ir.VectorType):
        single, pattern = (ir.VectorType(kind, y.type.count) for kind in (single, pattern))
    if y.type != single:
        y = builder.fptrunc(builder.fsub(y, emit_call(builder, "rint", y)), single)
    quarters = emit_call(builder, "fma", y, splat(single, 4.0), offset)
    quarters = builder.bitcast(builder.fadd(quarters, splat(single, float(_MAGIC))), pattern)
    following = builder.add(quarters, splat(pattern, 1))
    return [builder.and_(one, splat(pattern, 2)) for one in (following, quarters)]


def emit_pointer(context, builder, signature, args, array, *offsets):
    """Emit the address of an array argument's element."""
    pointer = context.make_array(signature.args[array])(context, builder, args[array]).data
    for offset in offsets:
        pointer = builder.gep(pointer, [offset])
    return pointer
