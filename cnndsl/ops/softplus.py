"""softplus: y = log(1 + exp(x)).

x, y: any shape, any float type. Computed as max(x, 0) + log(1 + exp(−|x|)), which never overflows. Dugas et al.,
"Incorporating Second-Order Functional Knowledge for Better Option Pricing", 2001.
"""

from __future__ import annotations

from typing import Any

from cnndsl.graph.op import NoAttrs, Op, Reject, expect, sample
from cnndsl.graph.types import TensorType


def infer(a: NoAttrs, x: TensorType) -> tuple[TensorType]:
    expect(x.is_float, "a float tensor", x=x)
    return (x,)


def reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    return (xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x))),)


SOFTPLUS = Op(
    "softplus",
    NoAttrs,
    infer,
    reference,
    word=True,
    pointwise=lambda e, a, x: e.max(x, 0.0) + e.log(1.0 + e.exp(-e.abs(x))),
    vjp=lambda g, a, xs, ys, gys: (g.pointwise(lambda e, gy, x: gy * (0.5 + 0.5 * e.tanh(0.5 * x)), gys[0], xs[0]),),
    samples=(sample((2, 5, 7, 3)), sample([[-90.0, 2.0, 120.0]])),
    rejects=(Reject(("int32[4]",), "a float tensor"),),
)
