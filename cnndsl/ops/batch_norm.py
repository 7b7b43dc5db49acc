"""batch_norm: y = gamma · (x − mean) / √(variance + eps) + beta, per channel.

x, y (N, *space, C); gamma, beta, mean, variance (C,). In a model the last two are the running statistics. In
training they are replaced by `moments(x)`, and the running ones become momentum · old + (1 − momentum) · new, the
variance unbiased (n / (n − 1)). So there is one op, and training differs only in what stands at its operands.
Ioffe, Szegedy, "Batch Normalization", 2015, algorithms 1 and 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnndsl.graph.op import Op, Reject, WeightSpec, expect, number, sample
from cnndsl.graph.types import TensorType


@dataclass(frozen=True, slots=True)
class BatchNormAttrs:
    momentum: float = 0.99
    eps: float = 1e-3

    def __post_init__(self) -> None:
        number(self.momentum, "momentum")
        number(self.eps, "eps")
        expect(0 <= self.momentum < 1, "momentum from 0 to below 1", "E303", momentum=self.momentum)
        expect(self.eps > 0, "eps above 0", "E303", eps=self.eps)


def weights(a: BatchNormAttrs, x: TensorType) -> tuple[WeightSpec, ...]:
    expect(x.is_float and x.rank >= 2, "a float tensor with a channel axis", x=x)
    c = x.channels
    expect(isinstance(c, int), "a known number of channels", "E602", channels=c)
    assert isinstance(c, int)
    return (
        WeightSpec("gamma", (c,), "ones", decay=False),
        WeightSpec("beta", (c,), decay=False),
        WeightSpec("mean", (c,), kind="buffer"),
        WeightSpec("variance", (c,), "ones", kind="buffer"),
    )


def infer(a: BatchNormAttrs, x: TensorType, *stats: TensorType) -> tuple[TensorType]:
    expect(x.is_float and x.rank >= 2, "a float tensor with a channel axis", x=x)
    expect(len(stats) == 4, "gamma, beta, mean and variance", "E309", given=len(stats))
    for s in stats:
        expect(s.shape == (x.channels,), f"four vectors of {x.channels} channels", "E309", given=s)
    return (x,)


def reference(xp: Any, a: Any, x: Any, gamma: Any, beta: Any, mean: Any, variance: Any) -> tuple[Any]:
    return (gamma * (x - mean) / xp.sqrt(variance + a.eps) + beta,)


def vjp(g: Any, a: BatchNormAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any, ...]:
    x, gamma, _, mean, variance = xs
    gy = gys[0]
    axes = tuple(range(x.type.rank - 1))
    inverse = g.pointwise(lambda e, v: 1.0 / e.sqrt(v + a.eps), variance)
    scale = g.pointwise(lambda e, c, i: c * i, gamma, inverse)
    gx = g.pointwise(lambda e, d, s: d * s, gy, scale)
    gbeta = g.reduce_sum(gy, axes=axes)
    centred = g.pointwise(lambda e, d, v, m: d * (v - m), gy, x, mean)
    gcentred = g.reduce_sum(centred, axes=axes)
    ggamma = g.pointwise(lambda e, s, i: s * i, gcentred, inverse)
    gmean = g.pointwise(lambda e, s, b: -s * b, scale, gbeta)
    gvariance = g.pointwise(lambda e, s, c, i: -0.5 * s * c * i * i * i, gcentred, gamma, inverse)
    return gx, ggamma, gbeta, gmean, gvariance


def positive(*shape: int) -> Any:
    """A sample array of numbers away from zero: variances."""
    import numpy as np

    return np.linspace(0.3, 2.0, int(np.prod(shape))).reshape(shape)


BATCH_NORM = Op(
    "batch_norm",
    BatchNormAttrs,
    infer,
    reference,
    word=True,
    weights=weights,
    pointwise=lambda e, a, x, gamma, beta, mean, var: (x - mean) * (gamma / e.sqrt(var + a.eps)) + beta,
    vjp=vjp,
    samples=(
        sample((2, 4, 3, 5), (5,), (5,), (5,), positive(5)),
        sample((6, 3), (3,), (3,), (3,), positive(3), eps=1e-5),
    ),
    rejects=(Reject(("float32[2,4,4,3]", "float32[4]", "float32[3]", "float32[3]", "float32[3]"), "four vectors of 3"),),
)
