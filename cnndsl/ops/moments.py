"""moments: mean and variance of each channel over batch and space; the variance biased (divided by n).

x (N, *space, C) → mean (C,), variance (C,). Ioffe, Szegedy 2015, algorithm 1.
"""

from __future__ import annotations

from typing import Any

from cnndsl.graph.op import NoAttrs, Op, Reject, Work, expect, sample
from cnndsl.graph.types import TensorType


def infer(a: NoAttrs, x: TensorType) -> tuple[TensorType, TensorType]:
    expect(x.is_float and x.rank >= 2, "a float tensor with a channel axis", x=x)
    c = x.with_shape(x.channels)
    return c, c


def reference(xp: Any, a: Any, x: Any) -> tuple[Any, Any]:
    axes = tuple(range(len(x.shape) - 1))
    mean = xp.mean(x, axis=axes)
    return mean, xp.mean((x - mean) ** 2, axis=axes)


def vjp(g: Any, a: NoAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any]:
    x, (mean, _) = xs[0], ys
    share = x.type.channels / x.type.elements
    gmean, gvariance = gys
    if gvariance is None:
        return (g.pointwise(lambda e, v, m: e.select(e.eq(v, v), m * share, m * share), x, gmean),)
    if gmean is None:
        return (g.pointwise(lambda e, v, u, s: (v - u) * (s * (2 * share)), x, mean, gvariance),)
    rule = lambda e, v, u, m, s: m * share + (v - u) * (s * (2 * share))  # noqa: E731
    return (g.pointwise(rule, x, mean, gmean, gvariance),)


MOMENTS = Op(
    "moments",
    NoAttrs,
    infer,
    reference,
    results=("batch_mean", "batch_variance"),
    batch="whole",
    vjp=vjp,
    work=lambda a, x: Work(operations=3 * x.elements),
    samples=(sample((2, 4, 3, 5)), sample((6, 3))),
    rejects=(Reject(("float32[4]",), "a channel axis"),),
)
