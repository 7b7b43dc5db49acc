"""gelu: y = x · Φ(x), with Φ the distribution function of the normal distribution.

x, y: any shape, any float type. approximate = `none`: ½ x (1 + erf(x / √2)); `tanh`:
½ x (1 + tanh(√(2/π) (x + 0.044715 x³))), as many published networks were trained. Hendrycks, Gimpel, "Gaussian Error
Linear Units", 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnndsl.graph.op import Op, Reject, expect, sample
from cnndsl.graph.types import TensorType

APPROXIMATE = ("none", "tanh")


@dataclass(frozen=True, slots=True)
class GeluAttrs:
    approximate: str = "none"

    def __post_init__(self) -> None:
        expect(self.approximate in APPROXIMATE, "approximate to be none or tanh", "E305", approximate=self.approximate)


def infer(a: GeluAttrs, x: TensorType) -> tuple[TensorType]:
    expect(x.is_float, "a float tensor", x=x)
    return (x,)


def reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    if a.approximate == "tanh":
        return (0.5 * x * (1 + xp.tanh(0.7978845608028654 * (x + 0.044715 * x**3))),)
    import math

    return (0.5 * x * (1 + xp.vectorize(math.erf, otypes=[float])(x * 0.7071067811865476).astype(x.dtype)),)


def rule(e: Any, a: GeluAttrs, x: Any) -> Any:
    if a.approximate == "tanh":
        return 0.5 * x * (1.0 + e.tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))
    return 0.5 * x * (1.0 + e.erf(x * 0.7071067811865476))


GELU = Op(
    "gelu",
    GeluAttrs,
    infer,
    reference,
    word=True,
    pointwise=rule,
    words={"approximate": APPROXIMATE},
    samples=(sample((2, 5, 7, 3)), sample((3, 4), approximate="tanh")),
    rejects=(Reject(("int32[4]",), "a float tensor"),),
)
