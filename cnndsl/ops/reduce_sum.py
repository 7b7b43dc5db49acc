"""reduce_sum: Σ over `axes`, which vanish. x: any shape, any float type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnndsl.graph.op import Op, Reject, Work, expect, sample
from cnndsl.graph.types import TensorType


@dataclass(frozen=True, slots=True)
class ReduceSumAttrs:
    axes: tuple[int, ...]


def infer(a: ReduceSumAttrs, x: TensorType) -> tuple[TensorType]:
    expect(x.is_float, "a float tensor", x=x)
    expect(all(0 <= i < x.rank for i in a.axes) and len({*a.axes}) == len(a.axes) > 0, "axes of the value", axes=a.axes, x=x)
    return (x.with_shape(*(n for i, n in enumerate(x.shape) if i not in a.axes)),)


def reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    return (xp.sum(x, axis=tuple(a.axes)),)


def vjp(g: Any, a: ReduceSumAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any]:
    kept = tuple(1 if i in a.axes else n for i, n in enumerate(xs[0].type.shape))
    wide = g.view(gys[0], shape=kept)
    return (g.pointwise(lambda e, d, x: e.select(e.eq(x, x), d, d), wide, xs[0]),)


REDUCE_SUM = Op(
    "reduce_sum",
    ReduceSumAttrs,
    infer,
    reference,
    batch=lambda a: "sum" if 0 in a.axes else "map",
    vjp=vjp,
    work=lambda a, x: Work(operations=x.elements),
    samples=(sample((2, 3, 4, 5), axes=(0, 1, 2)), sample((3, 4), axes=(0,)), sample((3, 4, 2), axes=(1, 2))),
    rejects=(Reject(("float32[2,3]",), "axes of the value", {"axes": (2,)}),),
)
