"""identity, flatten, reshape, spread: the same numbers under the same or another shape.

flatten: (N, *space, C) → (N, H·W·…·C), row-major over space and channels. reshape: to `shape`, batch included; when
the batch is cut, only axis 0 differs. spread: (N, C) → (N, 1, …, C) of `rank` axes, so that a gate meets (N, *space, C)
by NumPy's broadcasting; the language adds it where `multiply` has such a branch. All are views: no number moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnndsl.graph.op import NoAttrs, Op, Reject, expect, sample
from cnndsl.graph.sizes import Size
from cnndsl.graph.types import TensorType


def identity_infer(a: NoAttrs, x: TensorType) -> tuple[TensorType]:
    return (x,)


def identity_reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    return (x,)


def flatten_infer(a: NoAttrs, x: TensorType) -> tuple[TensorType]:
    expect(x.rank >= 2, "a value with channels", x=x)
    size: Size = 1
    for s in x.shape[1:]:
        size = size * s
    return (x.with_shape(x.shape[0], size),)


def flatten_reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    size = 1
    for n in x.shape[1:]:
        size *= n
    return (x.reshape(x.shape[0], size),)


def flatten_vjp(g: Any, a: NoAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any]:
    return (g.reshape(gys[0], shape=xs[0].type.shape),)


@dataclass(frozen=True, slots=True)
class ReshapeAttrs:
    shape: tuple[int, ...]


def reshape_infer(a: ReshapeAttrs, x: TensorType) -> tuple[TensorType]:
    y = x.with_shape(*a.shape)
    expect(y.elements == x.elements, "a shape with as many numbers", x=x, shape=a.shape)
    return (y,)


def reshape_reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    return (x.reshape(a.shape),)


def reshape_vjp(g: Any, a: ReshapeAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any]:
    return (g.reshape(gys[0], shape=xs[0].type.shape),)


@dataclass(frozen=True, slots=True)
class SpreadAttrs:
    rank: int


def spread_infer(a: SpreadAttrs, x: TensorType) -> tuple[TensorType]:
    expect(x.rank == 2 <= a.rank, "a value without space", x=x, rank=a.rank)
    return (x.with_shape(x.shape[0], *(1,) * (a.rank - 2), x.channels),)


def spread_reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    return (x.reshape(x.shape[0], *(1,) * (a.rank - 2), x.shape[1]),)


IDENTITY = Op(
    "identity", NoAttrs, identity_infer, identity_reference, word=True, view=True,
    vjp=lambda g, a, xs, ys, gys: (gys[0],), samples=(sample((2, 3, 4)),),
)  # fmt: skip
FLATTEN = Op(
    "flatten", NoAttrs, flatten_infer, flatten_reference, word=True, view=True, vjp=flatten_vjp,
    samples=(sample((2, 3, 4, 5)), sample((2, 7))), rejects=(Reject(("float32[4]",), "a value with channels"),),
)  # fmt: skip
RESHAPE = Op(
    "reshape", ReshapeAttrs, reshape_infer, reshape_reference, view=True, vjp=reshape_vjp,
    samples=(sample((2, 6), shape=(2, 3, 2)),),
    rejects=(Reject(("float32[2,6]",), "as many numbers", {"shape": (2, 5)}),),
)  # fmt: skip
SPREAD = Op(
    "spread", SpreadAttrs, spread_infer, spread_reference, view=True, vjp=reshape_vjp,
    samples=(sample((2, 5), rank=4), sample((2, 5), rank=2)),
    rejects=(Reject(("float32[2,3,3,5]",), "a value without space", {"rank": 4}),),
)  # fmt: skip
