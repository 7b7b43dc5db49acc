"""prelu: y = x where x > 0, else slope · x, with one learned slope for each channel.

x, y (…, C), any float type; slope (C,), at first 0.25. He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", 2015.
"""

from __future__ import annotations

from typing import Any

from cnndsl.graph.op import NoAttrs, Op, Reject, WeightSpec, expect, sample
from cnndsl.graph.types import TensorType


def weights(a: NoAttrs, x: TensorType) -> tuple[WeightSpec, ...]:
    expect(x.is_float and x.rank >= 2 and isinstance(x.channels, int), "a value with a known number of channels", x=x)
    assert isinstance(x.channels, int)
    return (WeightSpec("slope", (x.channels,), "quarters", decay=False),)


def infer(a: NoAttrs, x: TensorType, slope: TensorType) -> tuple[TensorType]:
    expect(x.is_float and x.rank >= 2, "a float tensor with channels", x=x)
    expect(slope.shape == (x.channels,), "a slope for each channel", "E309", slope=slope, x=x)
    return (x,)


def reference(xp: Any, a: Any, x: Any, slope: Any) -> tuple[Any]:
    return (xp.where(x > 0, x, slope * x),)


PRELU = Op(
    "prelu",
    NoAttrs,
    infer,
    reference,
    word=True,
    weights=weights,
    pointwise=lambda e, a, x, slope: e.select(x > 0, x, slope * x),
    samples=(sample((2, 5, 7, 3), (3,)), sample((3, 4), (4,))),
    rejects=(Reject(("float32[2,4]", "float32[3]"), "a slope for each channel"),),
)
