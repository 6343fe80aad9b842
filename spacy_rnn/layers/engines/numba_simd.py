"""Vectors of sixteen float32 numbers, for numba: the equations of a cell are written once for
sixteen units at a time, and LLVM puts them into whatever registers the CPU has.

numba's own loops over arrays are not enough here: LLVM leaves a loop over many arrays scalar if it
can't prove that they don't overlap.
"""

import operator
from typing import Any, List

import numpy
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.extending import intrinsic, lower_builtin, register_model
from numba.core.typing import signature
from numba.core.typing.templates import ConcreteTemplate, infer_global

from .numba_jit import helper

LANES = 16
_IR_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_IR_INDEX = ir.IntType(64)


class VectorType(types.Type):
    """numba's type of a vector."""

    def __init__(self) -> None:
        super().__init__(name="float32x16")


vector = VectorType()


@register_model(VectorType)
class VectorModel(models.PrimitiveModel):
    """A vector is one value of LLVM's."""

    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, _IR_VECTOR)


def array_data(context: Any, builder: Any, array_type: Any, value: Any) -> Any:
    """RETURNS (ir.Value): Pointer to the first number of an array."""
    return context.make_array(array_type)(context, builder, value=value).data


def load_at(builder: Any, pointer: Any) -> Any:
    """RETURNS (ir.Value): The vector at any address, aligned or not."""
    return builder.load(builder.bitcast(pointer, _IR_VECTOR.as_pointer()), align=4)


def store_at(builder: Any, value: Any, pointer: Any) -> None:
    """Write a vector to any address."""
    builder.store(value, builder.bitcast(pointer, _IR_VECTOR.as_pointer()), align=4)


def repeat_lane(builder: Any, number: Any) -> Any:
    """RETURNS (ir.Value): A vector of one number."""
    undefined = ir.Constant(_IR_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, number, ir.IntType(32)(0))
    return builder.shuffle_vector(first, undefined, _lanes([0] * LANES))


def _lanes(numbers: List[int]) -> Any:
    """Which lanes of two vectors a shuffle takes."""
    return ir.Constant(ir.VectorType(ir.IntType(32), LANES), numbers)


def multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """RETURNS (ir.Value): a * b + c, in one instruction if the CPU has it."""
    kind = ir.FunctionType(_IR_VECTOR, [_IR_VECTOR] * 3)
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{LANES}f32")
    return builder.call(function, [a, b, c])


@intrinsic
def load(typingctx: Any, X: Any, at: Any) -> Any:
    """load(X, at): the sixteen numbers of a flat array from `at` on."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = array_data(context, builder, sig.args[0], args[0])
        return load_at(builder, builder.gep(data, [args[1]]))

    return vector(X, types.intp), codegen


@intrinsic
def store(typingctx: Any, X: Any, at: Any, value: Any) -> Any:
    """store(X, at, value): put sixteen numbers into a flat array."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = array_data(context, builder, sig.args[0], args[0])
        store_at(builder, args[2], builder.gep(data, [args[1]]))
        return context.get_dummy_value()

    return types.void(X, types.intp, vector), codegen


@intrinsic
def number(typingctx: Any, n: Any) -> Any:
    """number(n): n, as numba's type of any number. Without it, numba compiles a helper anew for
    each constant that it is called with."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return args[0]

    return types.intp(types.intp), codegen


@intrinsic
def fma(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """fma(a, b, c): a * b + c, in one instruction if the CPU has it."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return multiply_add(builder, *args)

    return vector(vector, vector, vector), codegen


@intrinsic
def repeat(typingctx: Any, number: Any) -> Any:
    """repeat(number): a vector of one number."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return repeat_lane(builder, context.cast(builder, args[0], sig.args[0], types.float32))

    return vector(number), codegen


@intrinsic
def clamp(typingctx: Any, x: Any, limit: Any) -> Any:
    """clamp(x, limit): no more than `limit`, no less than -`limit`; NaN stays NaN."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        number = context.cast(builder, args[1], sig.args[1], types.float32)
        upper = repeat_lane(builder, number)
        lower = builder.fneg(upper)
        x = builder.select(builder.fcmp_ordered(">", args[0], upper), upper, args[0])
        return builder.select(builder.fcmp_ordered("<", x, lower), lower, x)

    return vector(vector, limit), codegen


@intrinsic
def positive(typingctx: Any, x: Any) -> Any:
    """positive(x): 1 where x > 0, else 0."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        zero = ir.Constant(_IR_VECTOR, [0.0] * LANES)
        one = ir.Constant(_IR_VECTOR, [1.0] * LANES)
        return builder.select(builder.fcmp_ordered(">", args[0], zero), one, zero)

    return vector(vector), codegen


@intrinsic
def rectify(typingctx: Any, x: Any) -> Any:
    """rectify(x): x where x > 0, else 0; NaN stays NaN."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        zero = ir.Constant(_IR_VECTOR, [0.0] * LANES)
        return builder.select(builder.fcmp_unordered(">", args[0], zero), args[0], zero)

    return vector(vector), codegen


@intrinsic
def transpose(typingctx: Any, X: Any, x: Any, ldx: Any, Y: Any, y: Any, ldy: Any) -> Any:
    """transpose(X, x, ldx, Y, y, ldy): sixteen rows of sixteen numbers of X, which begin at `x` and
    are `ldx` apart, become the columns of rows of Y."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def row(position: int, i: int) -> Any:
            data = array_data(context, builder, sig.args[position], args[position])
            offset = builder.mul(args[position + 2], _IR_INDEX(i))
            return builder.gep(data, [builder.add(args[position + 1], offset)])

        rows = [load_at(builder, row(0, i)) for i in range(LANES)]
        # Blocks that are `size` wide change places across the diagonal: 8 by 8, then within those.
        for size in (8, 4, 2, 1):
            left = [j if not j & size else LANES + j - size for j in range(LANES)]
            right = [j + size if not j & size else LANES + j for j in range(LANES)]
            for i in range(LANES):
                if not i & size:
                    a, b = rows[i], rows[i + size]
                    rows[i] = builder.shuffle_vector(a, b, _lanes(left))
                    rows[i + size] = builder.shuffle_vector(a, b, _lanes(right))
        for i, value in enumerate(rows):
            store_at(builder, value, row(3, i))
        return context.get_dummy_value()

    n = types.intp
    return types.void(X, n, n, Y, n, n), codegen


@helper
def accumulate(X, x, Y, y, n):  # type: ignore[no-untyped-def]
    """accumulate(X, x, Y, y, n): add n numbers of X from `x` on to those of Y from `y` on."""
    whole = n // LANES * LANES
    for j in range(0, whole, LANES):
        store(Y, y + j, load(Y, y + j) + load(X, x + j))
    for j in range(whole, n):
        Y[y + j] += X[x + j]


@helper
def copy(X, x, Y, y, n):  # type: ignore[no-untyped-def]
    """copy(X, x, Y, y, n): n numbers of X from `x` on to Y from `y` on."""
    whole = n // LANES * LANES
    for j in range(0, whole, LANES):
        store(Y, y + j, load(X, x + j))
    for j in range(whole, n):
        Y[y + j] = X[x + j]


def _define(function: Any, instruction: str) -> None:
    """Let an operator work on vectors, and on a vector and a number."""
    forms = [
        signature(vector, vector, vector),
        signature(vector, vector, types.float64),
        signature(vector, types.float64, vector),
    ]
    infer_global(function)(type("VectorTemplate", (ConcreteTemplate,), {"cases": forms}))

    def implement(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        both = [
            value
            if kind == vector
            else repeat_lane(builder, context.cast(builder, value, kind, types.float32))
            for value, kind in zip(args, sig.args)
        ]
        # "contract" lets LLVM join a product and a sum into one instruction; nothing else.
        return getattr(builder, instruction)(*both, flags=("contract",))

    for form in forms:
        lower_builtin(function, *form.args)(implement)


_define(operator.add, "fadd")
_define(operator.sub, "fsub")
_define(operator.mul, "fmul")
_define(operator.truediv, "fdiv")


def pad(width: int) -> int:
    """RETURNS (int): The width in whole vectors."""
    return -(-width // LANES) * LANES


def flat(X: Any) -> Any:
    """RETURNS (Floats1d): The numbers of an array one after another, as the kernels take them:
    float32, contiguous, writable (numba compiles again for arrays of another kind)."""
    return numpy.require(X, dtype="float32", requirements=["C", "W"]).reshape(-1)
