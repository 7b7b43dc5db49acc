"""dropout: in training each number is zeroed with probability `rate` and the rest divided by 1 − rate.

In a model, and in inference, it is the identity; the training pass replaces it by `random_bits` and a pointwise
function of them. Srivastava et al., "Dropout", 2014, in its inverted form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnndsl.graph.op import Op, Reject, expect, number, sample
from cnndsl.graph.types import TensorType


@dataclass(frozen=True, slots=True)
class DropoutAttrs:
    rate: float

    def __post_init__(self) -> None:
        number(self.rate, "rate")
        expect(0 <= self.rate < 1, "a rate from 0 to below 1", "E303", rate=self.rate)


def infer(a: DropoutAttrs, x: TensorType) -> tuple[TensorType]:
    expect(x.is_float, "a float tensor", x=x)
    return (x,)


def reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    return (x,)


DROPOUT = Op(
    "dropout",
    DropoutAttrs,
    infer,
    reference,
    word=True,
    view=True,
    vjp=lambda g, a, xs, ys, gys: (gys[0],),
    samples=(sample((2, 3, 4), rate=0.5),),
    rejects=(Reject(("int32[4]",), "a float tensor", {"rate": 0.5}),),
)
