"""elu: y = x where x > 0, else alpha · (exp(x) − 1).

x, y: any shape, any float type. Clevert, Unterthiner, Hochreiter, "Fast and Accurate Deep Network Learning by
Exponential Linear Units", 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnndsl.graph.op import Op, Reject, expect, number, sample
from cnndsl.graph.types import TensorType


@dataclass(frozen=True, slots=True)
class EluAttrs:
    alpha: float = 1.0

    def __post_init__(self) -> None:
        number(self.alpha, "alpha")


def infer(a: EluAttrs, x: TensorType) -> tuple[TensorType]:
    expect(x.is_float, "a float tensor", x=x)
    return (x,)


def reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    return (xp.where(x > 0, x, a.alpha * xp.expm1(xp.minimum(x, 0))),)


ELU = Op(
    "elu",
    EluAttrs,
    infer,
    reference,
    word=True,
    # The minimum keeps exp from overflowing in the branch that is not taken.
    pointwise=lambda e, a, x: e.select(x > 0, x, a.alpha * (e.exp(e.min(x, 0.0)) - 1.0)),
    vjp=lambda g, a, xs, ys, gys: (
        g.pointwise(lambda e, gy, x: e.select(x > 0, gy, gy * (a.alpha * e.exp(e.min(x, 0.0)))), gys[0], xs[0]),
    ),
    samples=(sample((2, 5, 7, 3)), sample((3, 4), alpha=0.3)),
    rejects=(Reject(("int32[4]",), "a float tensor"),),
)
