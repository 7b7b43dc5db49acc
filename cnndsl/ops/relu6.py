"""relu6: y = min(max(x, 0), 6).

x, y: any shape, any float type. dy/dx is 0 at 0 and at 6. Krizhevsky, "Convolutional Deep Belief Networks on
CIFAR-10", 2010; Sandler et al., "MobileNetV2", 2018.
"""

from __future__ import annotations

from typing import Any

from cnndsl.graph.op import NoAttrs, Op, Reject, expect, sample
from cnndsl.graph.types import TensorType


def infer(a: NoAttrs, x: TensorType) -> tuple[TensorType]:
    expect(x.is_float, "a float tensor", x=x)
    return (x,)


def reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    return (xp.clip(x, 0, 6),)


RELU6 = Op(
    "relu6",
    NoAttrs,
    infer,
    reference,
    word=True,
    pointwise=lambda e, a, x: e.min(e.max(x, 0.0), 6.0),
    # From y: 0 < y < 6 exactly where 0 < x < 6.
    vjp=lambda g, a, xs, ys, gys: (g.pointwise(lambda e, gy, y: e.select(e.both(y > 0, y < 6), gy, 0.0), gys[0], ys[0]),),
    samples=(sample((2, 5, 7, 3)), sample([[-1.0, 5.5, 7.0], [9.0, 0.5, -3.0]])),
    rejects=(Reject(("int32[4]",), "a float tensor"),),
)
