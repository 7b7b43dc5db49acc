"""spatial_dropout, stochastic_depth, noise: what, like dropout, acts only while a network learns.

In a model, and in inference, each is the identity; the training pass replaces it by `random_bits` and a pointwise function
of them. spatial_dropout(rate): each channel of an image is zeroed with probability `rate`, the rest divided by 1 − rate
(Tompson et al. 2015). stochastic_depth(rate): the whole value of an image, to stand at the end of a residual branch
(Huang et al. 2016). noise(amount): normal noise of that standard deviation is added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnndsl.graph.op import Op, Reject, expect, number, sample
from cnndsl.graph.types import TensorType
from cnndsl.ops.dropout import DropoutAttrs


@dataclass(frozen=True, slots=True)
class NoiseAttrs:
    amount: float

    def __post_init__(self) -> None:
        number(self.amount, "amount")
        expect(self.amount >= 0, "an amount of at least 0", "E303", amount=self.amount)


def infer(a: Any, x: TensorType) -> tuple[TensorType]:
    expect(x.is_float and x.rank >= 2, "a float tensor with channels", x=x)
    return (x,)


def reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    return (x,)


def layer(name: str, attrs: type, about: str, **keys: Any) -> Op:
    return Op(
        name, attrs, infer, reference, word=True, about=about, view=True, vjp=lambda g, a, xs, ys, gys: (gys[0],),
        samples=(sample((2, 3, 4), **keys),), rejects=(Reject(("int32[4]",), "a float tensor", keys),),
    )  # fmt: skip


SPATIAL_DROPOUT = layer(
    "spatial_dropout", DropoutAttrs, "in training each channel of an image is zeroed with probability `rate`", rate=0.5
)
STOCHASTIC_DEPTH = layer(
    "stochastic_depth", DropoutAttrs, "in training the whole value of an image is zeroed with probability `rate`", rate=0.2
)
NOISE = layer("noise", NoiseAttrs, "in training normal noise of that standard deviation is added", amount=0.1)
