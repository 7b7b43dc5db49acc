"""scale: y = factor · x, with a constant factor and no weights. x, y: any shape, any float type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnndsl.graph.op import Op, Reject, expect, number, sample
from cnndsl.graph.types import TensorType


@dataclass(frozen=True, slots=True)
class ScaleAttrs:
    factor: float

    def __post_init__(self) -> None:
        number(self.factor, "factor")


def infer(a: ScaleAttrs, x: TensorType) -> tuple[TensorType]:
    expect(x.is_float, "a float tensor", x=x)
    return (x,)


def reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    return (a.factor * x,)


SCALE = Op(
    "scale",
    ScaleAttrs,
    infer,
    reference,
    word=True,
    pointwise=lambda e, a, x: x * float(a.factor),
    samples=(sample((2, 3, 4), factor=0.5), sample((2, 3), factor=-3)),
    rejects=(Reject(("int32[4]",), "a float tensor", {"factor": 2.0}),),
)
