"""global_avg_pool and global_max_pool: one number a channel. x (N, *space, C) → y (N, C)."""

from __future__ import annotations

from typing import Any

from cnndsl.graph.op import NoAttrs, Op, Reject, Work, expect, sample
from cnndsl.graph.types import TensorType


def infer(a: NoAttrs, x: TensorType) -> tuple[TensorType]:
    expect(x.is_float and x.rank >= 3, "a float tensor with space", x=x)
    return (x.with_shape(x.shape[0], x.channels),)


def avg_reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    return (xp.mean(x, axis=tuple(range(1, len(x.shape) - 1))),)


def max_reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    return (xp.max(x, axis=tuple(range(1, len(x.shape) - 1))),)


def wide(g: Any, value: Any, like: Any) -> Any:
    """(N, C) as (N, 1, …, C), to broadcast against `like`."""
    n, c = value.type.shape
    return g.view(value, shape=(n, *(1 for _ in like.type.space), c))


def avg_vjp(g: Any, a: NoAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any]:
    x = xs[0]
    share = ys[0].type.elements / x.type.elements
    return (g.pointwise(lambda e, d, v: e.select(e.eq(v, v), d * share, d * share), wide(g, gys[0], x), x),)


def max_vjp(g: Any, a: NoAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any]:
    """Through max_pool over the whole space, so that ties go to the first as everywhere."""
    x = xs[0]
    whole = x.type.space
    keys = {"window": whole, "stride": whole, "pad": ((0, 0),) * len(whole), "dilation": (1,) * len(whole)}
    return (g.max_pool_grad(x, wide(g, ys[0], x), wide(g, gys[0], x), **keys),)


_SAMPLES = (sample((2, 4, 3, 5)), sample((2, 6, 3)), sample((1, 2, 3, 4, 2)))
_REJECTS = (Reject(("float32[2,3]",), "with space"),)

GLOBAL_AVG_POOL = Op(
    "global_avg_pool", NoAttrs, infer, avg_reference, word=True,
    about="the mean over all of space, one number a channel",
    vjp=avg_vjp, samples=_SAMPLES, rejects=_REJECTS,
    work=lambda a, x: Work(operations=x.elements),
)  # fmt: skip
GLOBAL_MAX_POOL = Op(
    "global_max_pool", NoAttrs, infer, max_reference, word=True,
    about="the largest number over all of space, one a channel",
    vjp=max_vjp, samples=_SAMPLES, rejects=_REJECTS,
    work=lambda a, x: Work(operations=x.elements),
)  # fmt: skip
