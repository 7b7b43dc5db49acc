"""sigmoid: y = 1 / (1 + exp(−x)).

x, y: any shape, any float type. Computed as ½ + ½ tanh(x / 2), which never overflows.
"""

from __future__ import annotations

from typing import Any

from cnndsl.graph.op import NoAttrs, Op, Reject, expect, sample
from cnndsl.graph.types import TensorType


def infer(a: NoAttrs, x: TensorType) -> tuple[TensorType]:
    expect(x.is_float, "a float tensor", x=x)
    return (x,)


def reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    return (0.5 + 0.5 * xp.tanh(0.5 * x),)


SIGMOID = Op(
    "sigmoid",
    NoAttrs,
    infer,
    reference,
    word=True,
    pointwise=lambda e, a, x: 0.5 + 0.5 * e.tanh(0.5 * x),
    vjp=lambda g, a, xs, ys, gys: (g.pointwise(lambda e, gy, y: gy * y * (1.0 - y), gys[0], ys[0]),),
    samples=(sample((2, 5, 7, 3)), sample((3, 4))),
    rejects=(Reject(("int32[4]",), "a float tensor"),),
)
