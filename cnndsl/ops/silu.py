"""silu: y = x / (1 + exp(−x)), also called swish.

x, y: any shape, any float type. Computed as x · (½ + ½ tanh(x / 2)), which never overflows. Hendrycks, Gimpel 2016;
Ramachandran, Zoph, Le, "Searching for Activation Functions", 2017.
"""

from __future__ import annotations

from typing import Any

from cnndsl.graph.op import NoAttrs, Op, Reject, expect, sample
from cnndsl.graph.types import TensorType


def infer(a: NoAttrs, x: TensorType) -> tuple[TensorType]:
    expect(x.is_float, "a float tensor", x=x)
    return (x,)


def reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    return (x * (0.5 + 0.5 * xp.tanh(0.5 * x)),)


SILU = Op(
    "silu",
    NoAttrs,
    infer,
    reference,
    word=True,
    pointwise=lambda e, a, x: x * (0.5 + 0.5 * e.tanh(0.5 * x)),
    samples=(sample((2, 5, 7, 3)), sample((3, 4))),
    rejects=(Reject(("int32[4]",), "a float tensor"),),
)
