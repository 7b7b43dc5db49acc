"""leaky_relu: y = x where x > 0, else slope * x.

x, y: any shape, any float type. slope: dimensionless. dy/dx at 0 is slope. NaN stays NaN.
Maas, Hannun, Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic Models", 2013.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnndsl.graph.op import Op, Reject, expect, number, sample
from cnndsl.graph.types import TensorType


@dataclass(frozen=True, slots=True)
class LeakyReluAttrs:
    slope: float = 0.01

    def __post_init__(self) -> None:
        number(self.slope, "slope")


def infer(a: LeakyReluAttrs, x: TensorType) -> tuple[TensorType]:
    expect(x.is_float, "a float tensor", x=x)
    return (x,)


def reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    return (xp.where(x > 0, x, a.slope * x),)


LEAKY_RELU = Op(
    "leaky_relu",
    LeakyReluAttrs,
    infer,
    reference,
    word=True,
    pointwise=lambda e, a, x: e.select(x > 0, x, a.slope * x),
    samples=(sample((2, 5, 7, 3)), sample((3, 4), slope=0.0)),
    rejects=(Reject(("int32[4]",), "a float tensor"),),
)
