"""add, subtract, multiply, maximum: elementwise, with NumPy broadcasting.

add(x0, …, xn) = Σ xi; subtract(x, y) = x − y; multiply(x0, …) = Π xi; maximum(x0, …) = max xi, where at a tie the
gradient goes to the first. Operands of one float type. The language demands equal shapes, but for gates of `multiply`.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

from cnndsl.graph.op import NoAttrs, Op, Reject, expect, sample
from cnndsl.graph.types import TensorType
from cnndsl.ops.pointwise import broadcast


def infer(a: NoAttrs, *xs: TensorType) -> tuple[TensorType]:
    expect(len(xs) >= 1, "at least one value")
    for x in xs:
        expect(x.is_float and x.dtype == xs[0].dtype, "float tensors of one type", x=x)
    return (TensorType(broadcast(*(x.shape for x in xs)), xs[0].dtype),)


def infer_two(a: NoAttrs, *xs: TensorType) -> tuple[TensorType]:
    expect(len(xs) == 2, "two values", "E206", given=len(xs))
    return infer(a, *xs)


def add_reference(xp: Any, a: Any, *xs: Any) -> tuple[Any]:
    total = xs[0]
    for x in xs[1:]:
        total = total + x
    return (total,)


def subtract_reference(xp: Any, a: Any, x: Any, y: Any) -> tuple[Any]:
    return (x - y,)


def multiply_reference(xp: Any, a: Any, *xs: Any) -> tuple[Any]:
    product = xs[0]
    for x in xs[1:]:
        product = product * x
    return (product,)


def maximum_reference(xp: Any, a: Any, *xs: Any) -> tuple[Any]:
    largest = xs[0]
    for x in xs[1:]:
        largest = xp.maximum(largest, x)
    return (largest,)


_UNEQUAL = Reject(("float32[2,3,4]", "float32[2,3,5]"), "sizes that agree")

ADD = Op(
    "add", NoAttrs, infer, add_reference, inputs=None, word=True,
    about="the sum of its branches",
    pointwise=lambda e, a, *xs: reduce(lambda p, q: p + q, xs),
    samples=(sample((2, 3, 4), (2, 3, 4)), sample((2, 3), (2, 3), (2, 3))),
    rejects=(_UNEQUAL,),
)  # fmt: skip
SUBTRACT = Op(
    "subtract", NoAttrs, infer_two, subtract_reference, inputs=None, word=True,
    about="the first of its two branches minus the second",
    pointwise=lambda e, a, x, y: x - y,
    samples=(sample((2, 3, 4), (2, 3, 4)),),
    rejects=(_UNEQUAL,),
)  # fmt: skip
MULTIPLY = Op(
    "multiply", NoAttrs, infer, multiply_reference, inputs=None, word=True,
    about="the product of its branches; one of them may be a gate, of C or HxWx1",
    pointwise=lambda e, a, *xs: reduce(lambda p, q: p * q, xs),
    samples=(sample((2, 3, 4), (2, 3, 4)), sample((2, 3, 4, 5), (2, 1, 1, 5)), sample((2, 3, 4, 5), (2, 3, 4, 1))),
    rejects=(_UNEQUAL,),
)  # fmt: skip
MAXIMUM = Op(
    "maximum", NoAttrs, infer, maximum_reference, inputs=None, word=True,
    about="the largest of its branches, number by number",
    pointwise=lambda e, a, *xs: reduce(e.max, xs),
    samples=(sample((2, 3, 4), (2, 3, 4)), sample((2, 3), (2, 3), (2, 3))),
    rejects=(_UNEQUAL,),
)  # fmt: skip
