"""dense: y = x · w + b, and matmul, of which its gradients are made.

x (N, C); weight (C, units); bias (units,); y (N, units). matmul(a, b): the product of two matrices, either read
transposed; where `a` is read transposed the batch is summed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnndsl.graph import window
from cnndsl.graph.op import Op, Reject, WeightSpec, Work, expect, sample, truth
from cnndsl.graph.types import TensorType
from cnndsl.ops.conv import check_init, fan_of
from cnndsl.random import INITS


@dataclass(frozen=True, slots=True)
class DenseAttrs:
    units: int
    bias: bool = True
    init: str = "he_normal"

    def __post_init__(self) -> None:
        window.whole(self.units, "units")
        truth(self.bias, "bias")
        check_init(self.init)


def check_input(a: DenseAttrs, x: TensorType) -> None:
    expect(x.is_float, "a float tensor", x=x)
    expect(x.rank == 2, "a value without space: flatten or global_avg_pool it first", "E304", x=x)
    expect(isinstance(x.channels, int), "a known number of channels", "E602", channels=x.channels)


def weights(a: DenseAttrs, x: TensorType) -> tuple[WeightSpec, ...]:
    check_input(a, x)
    c = x.channels
    assert isinstance(c, int)
    w = WeightSpec("weight", (c, a.units), a.init, fan_of(a.init, c, a.units))
    return (w, WeightSpec("bias", (a.units,), decay=False)) if a.bias else (w,)


def infer(a: DenseAttrs, x: TensorType, w: TensorType, b: TensorType | None = None) -> tuple[TensorType]:
    check_input(a, x)
    expect(w.shape == (x.channels, a.units), f"a weight of shape ({x.channels}, {a.units})", "E309", weight=w)
    expect((b is not None) == a.bias, "a bias exactly where bias = true", "E309", bias=a.bias)
    return (x.with_shape(x.shape[0], a.units),)


def reference(xp: Any, a: Any, x: Any, w: Any, b: Any = None) -> tuple[Any]:
    y = xp.matmul(x, w)
    return (y if b is None else y + b,)


def vjp(g: Any, a: DenseAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any, ...]:
    grads = [g.matmul(gys[0], xs[1], transpose_b=True), g.matmul(xs[0], gys[0], transpose_a=True)]
    return (*grads, g.reduce_sum(gys[0], axes=(0,))) if a.bias else tuple(grads)


@dataclass(frozen=True, slots=True)
class MatmulAttrs:
    transpose_a: bool = False
    transpose_b: bool = False


def matmul_infer(a: MatmulAttrs, x: TensorType, y: TensorType) -> tuple[TensorType]:
    expect(x.rank == 2 and y.rank == 2, "two matrices", a=x, b=y)
    m, k = x.shape[::-1] if a.transpose_a else x.shape
    k2, n = y.shape[::-1] if a.transpose_b else y.shape
    expect(k == k2, "inner sizes that agree", a=x, b=y)
    return (x.with_shape(m, n),)


def matmul_reference(xp: Any, a: Any, x: Any, y: Any) -> tuple[Any]:
    return (xp.matmul(x.T if a.transpose_a else x, y.T if a.transpose_b else y),)


def matmul_work(a: MatmulAttrs, x: TensorType, y: TensorType) -> Work:
    return Work(multiply_adds=x.elements * (y.sizes[0] if a.transpose_b else y.sizes[1]))


DENSE = Op(
    "dense",
    DenseAttrs,
    infer,
    reference,
    word=True,
    about="y = x · w + b, every unit sees every channel",
    weights=weights,
    vjp=vjp,
    work=lambda a, x, w, *b: Work(multiply_adds=x.sizes[0] * w.elements),
    words={"init": INITS},
    samples=(sample((3, 7), (7, 4), (4,), units=4), sample((1, 5), (5, 2), units=2, bias=False)),
    rejects=(
        Reject(("float32[2,3,3,4]", "float32[4,5]"), "flatten", {"units": 5, "bias": False}),
        Reject(("float32[2,4]", "float32[3,5]"), "a weight of shape", {"units": 5, "bias": False}),
    ),
)
MATMUL = Op(
    "matmul",
    MatmulAttrs,
    matmul_infer,
    matmul_reference,
    inputs=2,
    batch=lambda a: "sum" if a.transpose_a else "map",
    no_gradient="it is a gradient itself; second derivatives are not offered",
    work=matmul_work,
    samples=(sample((3, 4), (4, 5)), sample((3, 4), (5, 4), transpose_b=True), sample((3, 4), (3, 5), transpose_a=True)),
    rejects=(Reject(("float32[2,3]", "float32[4,5]"), "inner sizes"),),
)
