"""mae, huber, binary_cross_entropy, total_variation: mean losses of a batch; their gradients are pointwise.

With d = output − target and means over all numbers of the output: mae = mean |d|, or mean mask·|d|; huber = mean of ½d²
where |d| ≤ δ, else δ·(|d| − ½δ) (Huber 1964). binary_cross_entropy(x, t) = mean of max(x, 0) − x·t′ + log(1 + exp(−|x|)):
x are logits, t the wanted probabilities in the same shape, t′ = (1 − ε)·t + ε/2 under label smoothing ε.
total_variation(x) = Σ over the axes of space of the mean |x[i + 1] − x[i]| over all neighbours along it (anisotropic;
Rudin, Osher, Fatemi 1992). `count` and `counts` are fixed by `resolve`, so that parts of a cut batch add up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cnndsl.graph import window
from cnndsl.graph.op import Op, Reject, Work, expect, number, sample
from cnndsl.graph.types import TensorType


@dataclass(frozen=True, slots=True)
class MaeAttrs:
    count: int = 0

    def __post_init__(self) -> None:
        window.whole(self.count, "count", 0)


@dataclass(frozen=True, slots=True)
class HuberAttrs:
    delta: float = 1.0
    count: int = 0

    def __post_init__(self) -> None:
        number(self.delta, "delta")
        expect(self.delta > 0, "delta above 0", "E303", given=self.delta)
        window.whole(self.count, "count", 0)


@dataclass(frozen=True, slots=True)
class BinaryCrossEntropyAttrs:
    label_smoothing: float = 0.0
    count: int = 0

    def __post_init__(self) -> None:
        number(self.label_smoothing, "label_smoothing")
        expect(0 <= self.label_smoothing < 1, "label_smoothing from 0 to below 1", "E303", given=self.label_smoothing)
        window.whole(self.count, "count", 0)


@dataclass(frozen=True, slots=True)
class TotalVariationAttrs:
    counts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        window.check_whole(self.counts, "counts", len(self.counts), 0)


def infer(a: Any, output: TensorType, target: TensorType) -> tuple[TensorType]:
    same = output.is_float and output.shape == target.shape and output.dtype == target.dtype
    expect(same, "a target of the output's shape", output=output, target=target)
    return (TensorType((), output.dtype),)


def mae_infer(a: MaeAttrs, output: TensorType, target: TensorType, mask: TensorType | None = None) -> tuple[TensorType]:
    if mask is not None:
        expect(mask.shape in (output.shape, (*output.shape[:-1], 1)), "a mask of the output's size", mask=mask, output=output)
    return infer(a, output, target)


def resolve(a: Any, output: TensorType, *rest: TensorType) -> Any:
    return a if a.count else replace(a, count=output.elements)


def mae_reference(xp: Any, a: Any, output: Any, target: Any, mask: Any = None) -> tuple[Any]:
    apart = xp.abs(output - target)
    return ((xp.sum(apart if mask is None else mask * apart) / a.count).astype(output.dtype),)


def mae_vjp(g: Any, a: MaeAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any, ...]:
    """At output = target it is 0."""
    share = 1.0 / resolve(a, xs[0].type).count

    def slope(e: Any, d: Any, o: Any, t: Any) -> Any:
        return e.select(o > t, d * share, e.select(o < t, d * -share, (o - t) * d))

    if len(xs) == 2:
        gx = g.pointwise(slope, gys[0], *xs)
        return gx, g.pointwise(lambda e, x: -x, gx)
    gx = g.pointwise(lambda e, d, o, t, m: m * slope(e, d, o, t), gys[0], *xs)
    gmask = g.pointwise(lambda e, d, o, t: e.abs(o - t) * (d * share), gys[0], xs[0], xs[1])
    if xs[2].type.shape != xs[0].type.shape:
        gmask = g.view(g.reduce_sum(gmask, axes=(gmask.type.rank - 1,)), shape=xs[2].type.shape)
    return gx, g.pointwise(lambda e, x: -x, gx), gmask


def huber_reference(xp: Any, a: Any, output: Any, target: Any) -> tuple[Any]:
    apart = xp.abs(output - target)
    each = xp.where(apart <= a.delta, 0.5 * apart * apart, a.delta * (apart - 0.5 * a.delta))
    return ((xp.sum(each) / a.count).astype(output.dtype),)


def huber_vjp(g: Any, a: HuberAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any, Any]:
    """The difference, cut at ±delta; a NaN stays one."""
    share, delta = 1.0 / resolve(a, xs[0].type).count, float(a.delta)

    def slope(e: Any, d: Any, o: Any, t: Any) -> Any:
        return e.select(o - t > delta, delta, e.select(o - t < -delta, -delta, o - t)) * (d * share)

    gx = g.pointwise(slope, gys[0], *xs)
    return gx, g.pointwise(lambda e, x: -x, gx)


def bce_reference(xp: Any, a: Any, output: Any, target: Any) -> tuple[Any]:
    wanted = (1 - a.label_smoothing) * target + 0.5 * a.label_smoothing
    each = xp.maximum(output, 0) - output * wanted + xp.log1p(xp.exp(-xp.abs(output)))
    return ((xp.sum(each) / a.count).astype(output.dtype),)


def bce_vjp(g: Any, a: BinaryCrossEntropyAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any, Any]:
    share, keep = 1.0 / resolve(a, xs[0].type).count, 1.0 - a.label_smoothing
    lift = 0.5 * a.label_smoothing

    def slope(e: Any, d: Any, x: Any, t: Any) -> Any:
        return (0.5 + 0.5 * e.tanh(0.5 * x) - (keep * t + lift)) * (d * share)

    return g.pointwise(slope, gys[0], *xs), g.pointwise(lambda e, d, x: x * (d * (-share * keep)), gys[0], xs[0])


def tv_infer(a: TotalVariationAttrs, x: TensorType) -> tuple[TensorType]:
    expect(x.is_float and x.rank >= 3, "a float tensor with space", x=x)
    expect(len(a.counts) in (0, x.rank - 2), "a count for each axis of space", "E304", counts=a.counts, x=x)
    return (TensorType((), x.dtype),)


def tv_resolve(a: TotalVariationAttrs, x: TensorType) -> TotalVariationAttrs:
    """counts: how many neighbours there are along each axis of space."""
    return a if a.counts else replace(a, counts=tuple(x.elements // n * (n - 1) for n in x.sizes[1:-1]))


def tv_reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    total = xp.zeros((), x.dtype)
    for axis, count in enumerate(a.counts, 1):
        before = (slice(None),) * axis
        apart = xp.abs(x[(*before, slice(1, None))] - x[(*before, slice(None, -1))])
        total = total + xp.sum(apart) / max(count, 1)
    return (total.astype(x.dtype),)


def tv_vjp(g: Any, a: TotalVariationAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any]:
    """The signs of the differences, given to one neighbour and taken from the other."""
    x, gx, none = xs[0], None, (0, 0)
    counts = tv_resolve(a, x.type).counts
    for axis, count in enumerate(counts):
        if not count:
            continue
        early, late = ([(1, 0) if k == axis else none for k in range(len(counts))],
                       [(0, 1) if k == axis else none for k in range(len(counts))])  # fmt: skip
        high, low = g.crop(x, amount=tuple(early)), g.crop(x, amount=tuple(late))

        def slope(e: Any, d: Any, p: Any, q: Any, share: float = 1.0 / count) -> Any:
            return e.select(p > q, d * share, e.select(p < q, d * -share, (p - q) * d))

        sign = g.pointwise(slope, gys[0], high, low)
        both = g.pad(sign, amount=tuple(early)), g.pad(sign, amount=tuple(late))
        if gx is None:
            gx = g.pointwise(lambda e, p, q: p - q, *both)
        else:
            gx = g.pointwise(lambda e, t, p, q: t + (p - q), gx, *both)
    return (g.pointwise(lambda e, v: v - v, x) if gx is None else gx,)


_TARGET = Reject(("float32[2,3]", "float32[2,4]"), "a target of the output's shape")
_CHANCES = np.random.default_rng(2).uniform(0.05, 0.95, (2, 3, 4, 2))

MAE = Op(
    "mae", MaeAttrs, mae_infer, mae_reference, inputs=None, batch="sum", resolve=resolve, vjp=mae_vjp,
    work=lambda a, x, *rest: Work(operations=3 * x.elements),
    samples=(sample((2, 3, 4, 2), (2, 3, 4, 2)), sample((2, 3, 5, 2), (2, 3, 5, 2), (2, 3, 5, 1)), sample((3, 4), (3, 4))),
    rejects=(_TARGET, Reject(("float32[2,3,4]", "float32[2,3,4]", "float32[2,3,2]"), "a mask of the output's size")),
)  # fmt: skip
HUBER = Op(
    "huber", HuberAttrs, infer, huber_reference, inputs=2, batch="sum", resolve=resolve, vjp=huber_vjp,
    work=lambda a, x, *rest: Work(operations=5 * x.elements),
    samples=(sample((2, 3, 4, 2), (2, 3, 4, 2)), sample((3, 4), (3, 4), delta=0.4)), rejects=(_TARGET,),
)  # fmt: skip
BINARY_CROSS_ENTROPY = Op(
    "binary_cross_entropy", BinaryCrossEntropyAttrs, infer, bce_reference, inputs=2, batch="sum", resolve=resolve,
    vjp=bce_vjp, work=lambda a, x, *rest: Work(operations=7 * x.elements),
    samples=(
        sample((2, 3, 4, 2), _CHANCES), sample((2, 3, 4, 2), _CHANCES, label_smoothing=0.1),
        sample(np.array([[90.0, -90.0, 1000.0], [-1000.0, 0.5, -0.5]]), np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])),
    ),
    rejects=(_TARGET,),
)  # fmt: skip
TOTAL_VARIATION = Op(
    "total_variation", TotalVariationAttrs, tv_infer, tv_reference, batch="sum", resolve=tv_resolve, vjp=tv_vjp,
    work=lambda a, x: Work(operations=3 * (x.rank - 2) * x.elements),
    samples=(sample((2, 3, 5, 2)), sample((2, 1, 4, 2)), sample((2, 6, 3)), sample((1, 3, 2, 4, 2))),
    rejects=(Reject(("float32[2,4]",), "a float tensor with space"),),
)  # fmt: skip
