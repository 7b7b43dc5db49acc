"""relu: y = x where x > 0, else 0.

x, y: any shape, any float type. dy/dx at 0 is 0. NaN stays NaN.
Nair, Hinton, "Rectified Linear Units Improve Restricted Boltzmann Machines", 2010.
"""

from __future__ import annotations

from typing import Any

from cnndsl.graph.op import NoAttrs, Op, Reject, expect, sample
from cnndsl.graph.types import TensorType


def infer(a: NoAttrs, x: TensorType) -> tuple[TensorType]:
    expect(x.is_float, "a float tensor", x=x)
    return (x,)


def reference(xp: Any, a: NoAttrs, x: Any) -> tuple[Any]:
    return (xp.where(x <= 0, xp.zeros_like(x), x),)


RELU = Op(
    "relu",
    NoAttrs,
    infer,
    reference,
    word=True,
    pointwise=lambda e, a, x: e.max(x, 0.0),
    # From y: x itself need not be kept. y > 0 exactly where x > 0.
    vjp=lambda g, a, xs, ys, gys: (g.pointwise(lambda e, gy, y: e.select(y > 0, gy, 0.0), gys[0], ys[0]),),
    samples=(sample((2, 5, 7, 3)), sample((1, 1))),
    rejects=(Reject(("int32[4]",), "a float tensor"),),
)
