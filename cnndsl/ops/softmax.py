"""softmax and log_softmax over the last axis.

softmax: y_c = exp(x_c − m) / Σ_k exp(x_k − m), m = max x. log_softmax: y_c = x_c − m − log Σ_k exp(x_k − m).
x, y (…, C), any float type.
"""

from __future__ import annotations

from typing import Any

from cnndsl.graph.op import NoAttrs, Op, Reject, Work, expect, sample
from cnndsl.graph.types import TensorType


def infer(a: NoAttrs, x: TensorType) -> tuple[TensorType]:
    expect(x.is_float and x.rank >= 2, "a float tensor with a channel axis", x=x)
    return (x,)


def softmax_reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    powers = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
    return (powers / xp.sum(powers, axis=-1, keepdims=True),)


def log_softmax_reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    shifted = x - xp.max(x, axis=-1, keepdims=True)
    return (shifted - xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True)),)


def _row_sums(g: Any, x: Any) -> Any:
    """Σ over the last axis, that axis kept with size 1."""
    return g.view(g.reduce_sum(x, axes=(x.type.rank - 1,)), shape=(*x.type.shape[:-1], 1))


def softmax_vjp(g: Any, a: NoAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any]:
    dot = _row_sums(g, g.pointwise(lambda e, d, y: d * y, gys[0], ys[0]))
    return (g.pointwise(lambda e, d, y, s: y * (d - s), gys[0], ys[0], dot),)


def log_softmax_vjp(g: Any, a: NoAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any]:
    total = _row_sums(g, gys[0])
    return (g.pointwise(lambda e, d, y, s: d - e.exp(y) * s, gys[0], ys[0], total),)


SOFTMAX = Op(
    "softmax",
    NoAttrs,
    infer,
    softmax_reference,
    word=True,
    about="exp(x) divided by its sum over the channels: probabilities",
    vjp=softmax_vjp,
    work=lambda a, x: Work(operations=4 * x.elements),
    samples=(sample((3, 10)), sample((2, 3, 4, 5))),
    rejects=(Reject(("float32[4]",), "a channel axis"),),
)

LOG_SOFTMAX = Op(
    "log_softmax",
    NoAttrs,
    infer,
    log_softmax_reference,
    word=True,
    about="the logarithm of the softmax",
    vjp=log_softmax_vjp,
    work=lambda a, x: Work(operations=4 * x.elements),
    samples=(sample((3, 10)), sample((2, 3, 4, 5))),
    rejects=(Reject(("float32[4]",), "a channel axis"),),
)
