"""max_pool and avg_pool over windows, and their gradients.

x (N, *space, C) → (N, *out, C). stride: the window where none is given. Padding never wins a maximum; the average
counts padding only with `count_padding`, and never rows that only `round = ceil` reaches. The gradient of a maximum
goes to the first of equal numbers, in row-major order. `round`: floor, or ceil (Caffe).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from cnndsl.graph import window
from cnndsl.graph.op import Op, Reject, Sample, Work, expect, sample, truth
from cnndsl.graph.types import TensorType

ROUNDS = ("floor", "ceil")
PADS = ("valid", "same", "same_symmetric")


@dataclass(frozen=True, slots=True)
class MaxPoolAttrs:
    window: Any
    stride: Any = None
    pad: Any = "valid"
    dilation: Any = 1
    round: str = "floor"

    def __post_init__(self) -> None:
        clean(self)

    @property
    def strides(self) -> tuple[int, ...]:
        return strides(self)

    @property
    def dilations(self) -> tuple[int, ...]:
        return window.spread(self.dilation, len(self.window), "dilation")


@dataclass(frozen=True, slots=True)
class AvgPoolAttrs:
    window: Any
    stride: Any = None
    pad: Any = "valid"
    count_padding: bool = False
    round: str = "floor"

    def __post_init__(self) -> None:
        clean(self)
        truth(self.count_padding, "count_padding")

    @property
    def strides(self) -> tuple[int, ...]:
        return strides(self)

    @property
    def dilations(self) -> tuple[int, ...]:
        return (1,) * len(self.window)


def clean(a: Any) -> None:
    object.__setattr__(a, "window", window.kernel(a.window, "window"))
    if a.stride is not None:
        object.__setattr__(a, "stride", window.per_axis(a.stride, "stride"))
    object.__setattr__(a, "pad", window.clean_pad(a.pad))
    if isinstance(a, MaxPoolAttrs):
        object.__setattr__(a, "dilation", window.per_axis(a.dilation, "dilation"))
    expect(a.round in ROUNDS, "round to be floor or ceil", "E305", round=a.round)


def strides(a: Any) -> tuple[int, ...]:
    return a.window if a.stride is None else window.spread(a.stride, len(a.window), "stride")


def geometry(a: Any, x: TensorType) -> tuple[Any, Any]:
    """(pads, output sizes) for an input of type `x`."""
    expect(x.is_float, "a float tensor", x=x)
    window.one_number_an_axis(a.window, "window", x)
    pads = window.pads(a.pad, x.space, a.window, a.strides, a.dilations)
    for k, d, (b, e) in zip(a.window, a.dilations, pads, strict=True):
        reach = d * (k - 1) + 1
        expect(b < reach and e < reach, "padding smaller than the window", "E303", pad=(b, e), window=reach)
    return pads, window.out_sizes(x.space, a.window, a.strides, a.dilations, pads, a.round == "ceil")


def resolve(a: Any, x: TensorType, *rest: TensorType) -> Any:
    found = {"stride": a.strides, "pad": geometry(a, x)[0]}
    return replace(a, **found, **({"dilation": a.dilations} if isinstance(a, MaxPoolAttrs) else {}))


def infer(a: Any, x: TensorType) -> tuple[TensorType]:
    return (x.with_shape(x.shape[0], *geometry(a, x)[1], x.channels),)


def max_reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    rank, up = len(a.window), a.round == "ceil"
    sizes, pads = [], []
    for n, k, s, d, (b, e) in zip(x.shape[1:-1], a.window, a.stride, a.dilation, a.pad):
        room = n + b + e - (d * (k - 1) + 1)
        out = (-(-room // s) if up else room // s) + 1
        out -= 1 if up and (out - 1) * s >= n + b else 0
        sizes.append(out)
        pads.append((b, max(e, (out - 1) * s + d * (k - 1) + 1 - n - b)))
    x = xp.pad(x, ((0, 0), *pads, (0, 0)), constant_values=-xp.inf)
    taps: Any = [()]
    for k in a.window:
        taps = [(*t, m) for t in taps for m in range(k)]
    y: Any = None
    for tap in taps:
        cut = [slice(m * d, m * d + (o - 1) * s + 1, s) for m, d, o, s in zip(tap, a.dilation, sizes, a.stride)]
        part = x[(slice(None), *cut)]
        y = part if y is None else xp.maximum(y, part)
    return (y.copy() if rank else x,)


def avg_reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    up = a.round == "ceil"
    sizes, pads, counted = [], [], []
    for n, k, s, (b, e) in zip(x.shape[1:-1], a.window, a.stride, a.pad):
        room = n + b + e - k
        out = (-(-room // s) if up else room // s) + 1
        out -= 1 if up and (out - 1) * s >= n + b else 0
        sizes.append(out)
        extra = max(e, (out - 1) * s + k - n - b)
        pads.append((b, extra))
        counted.append((0, extra - e) if a.count_padding else (b, extra))
    ones = xp.ones([n + (sum(p) - sum(c)) for n, p, c in zip(x.shape[1:-1], pads, counted)], x.dtype)
    ones = xp.pad(ones, counted)[..., None]
    x = xp.pad(x, ((0, 0), *pads, (0, 0)))
    taps: Any = [()]
    for k in a.window:
        taps = [(*t, m) for t in taps for m in range(k)]
    total, count = 0, 0
    for tap in taps:
        cut = tuple(slice(m, m + (o - 1) * s + 1, s) for m, o, s in zip(tap, sizes, a.stride))
        total = total + x[(slice(None), *cut)]
        count = count + ones[cut]
    return (total / count,)


def max_grad_infer(a: MaxPoolAttrs, x: TensorType, y: TensorType, gy: TensorType) -> tuple[TensorType]:
    window.check_resolved(a.window, a.stride, a.pad, a.dilation)
    pooled = infer(a, x)[0]
    expect(y == pooled == gy, "the result of the pool, and its gradient", pooled=pooled, y=y, gy=gy)
    return (x,)


def max_grad_reference(xp: Any, a: Any, x: Any, y: Any, gy: Any) -> tuple[Any]:
    pads, sizes = [], y.shape[1:-1]
    for n, k, s, d, o, (b, e) in zip(x.shape[1:-1], a.window, a.stride, a.dilation, sizes, a.pad):
        pads.append((b, max(e, (o - 1) * s + d * (k - 1) + 1 - n - b)))
    wide = xp.pad(x, ((0, 0), *pads, (0, 0)), constant_values=-xp.inf)
    gx = xp.zeros_like(wide)
    free = xp.ones(y.shape, bool)
    taps: Any = [()]
    for k in a.window:
        taps = [(*t, m) for t in taps for m in range(k)]
    for tap in taps:
        cut = [slice(m * d, m * d + (o - 1) * s + 1, s) for m, d, o, s in zip(tap, a.dilation, sizes, a.stride)]
        at = (slice(None), *cut)
        hit = free & ((wide[at] == y) | (wide[at] != wide[at]))
        gx[at] += xp.where(hit, gy, xp.zeros_like(gy))
        free = free & ~hit
    inner = tuple(slice(b, b + n) for n, (b, e) in zip(x.shape[1:-1], pads))
    return (gx[(slice(None), *inner)].copy(),)


@dataclass(frozen=True, slots=True)
class AvgPoolGradAttrs:
    window: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[tuple[int, int], ...]
    count_padding: bool
    round: str
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        rank = window.check_resolved(self.window, self.stride, self.pad)
        window.check_whole(self.sizes, "sizes", rank + 1)
        truth(self.count_padding, "count_padding")
        expect(self.round in ROUNDS, "round to be floor or ceil", "E305", round=self.round)


def avg_grad_infer(a: AvgPoolGradAttrs, gy: TensorType) -> tuple[TensorType]:
    pool = AvgPoolAttrs(a.window, a.stride, a.pad, a.count_padding, a.round)
    pooled = infer(pool, gy.with_shape(gy.shape[0], *a.sizes))[0] if gy.rank else None
    expect(gy == pooled, "the gradient of what the pool gives", pooled=pooled, gy=gy)
    return (gy.with_shape(gy.shape[0], *a.sizes),)


def avg_grad_reference(xp: Any, a: Any, gy: Any) -> tuple[Any]:
    pads, counted, sizes = [], [], gy.shape[1:-1]
    for n, k, s, o, (b, e) in zip(a.sizes, a.window, a.stride, sizes, a.pad):
        extra = max(e, (o - 1) * s + k - n - b)
        pads.append((b, extra))
        counted.append((0, extra - e) if a.count_padding else (b, extra))
    ones = xp.ones([n + (sum(p) - sum(c)) for n, p, c in zip(a.sizes, pads, counted)], gy.dtype)
    ones = xp.pad(ones, counted)[..., None]
    taps: Any = [()]
    for k in a.window:
        taps = [(*t, m) for t in taps for m in range(k)]
    cuts = [tuple(slice(m, m + (o - 1) * s + 1, s) for m, o, s in zip(tap, sizes, a.stride)) for tap in taps]
    count = 0
    for cut in cuts:
        count = count + ones[cut]
    share = gy / count
    gx = xp.zeros((gy.shape[0], *(n + b + e for n, (b, e) in zip(a.sizes, pads)), gy.shape[-1]), gy.dtype)
    for cut in cuts:
        gx[(slice(None), *cut)] += share
    inner = tuple(slice(b, b + n) for n, (b, e) in zip(a.sizes, pads))
    return (gx[(slice(None), *inner)].copy(),)


def max_vjp(g: Any, a: MaxPoolAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any]:
    b = resolve(a, xs[0].type)
    return (g.max_pool_grad(xs[0], ys[0], gys[0], **{f: getattr(b, f) for f in b.__slots__}),)


def avg_vjp(g: Any, a: AvgPoolAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any]:
    b = resolve(a, xs[0].type)
    return (g.avg_pool_grad(gys[0], **{f: getattr(b, f) for f in b.__slots__}, sizes=xs[0].type.shape[1:]),)


def work(a: Any, x: TensorType, *rest: TensorType) -> Work:
    taps = 1
    for k in a.window:
        taps *= k
    return Work(operations=taps * x.with_shape(x.shape[0], *geometry(a, x)[1], x.channels).elements)


_WINDOW: dict[str, Any] = {"words": {"pad": PADS, "round": ROUNDS}, "resolve": resolve, "work": work, "word": True}
_SHAPES = (
    sample((2, 6, 6, 3), window=(2, 2)),
    sample((2, 7, 8, 2), window=(3, 3), stride=2, pad=1),
    sample((2, 7, 7, 2), window=(3, 2), stride=(2, 1), pad="same"),
    sample((2, 7, 7, 2), window=(3, 3), stride=2, round="ceil"),
    sample((1, 6, 8, 2), window=(3, 3), stride=2, pad=((0, 1), (1, 0)), round="ceil"),
    sample((2, 9, 3), window=(3,), stride=2),
    sample((1, 4, 5, 6, 2), window=(2, 2, 3), stride=1),
)
_GRAD_REASON = "it is a gradient itself; second derivatives are not offered"
_REJECTS = (
    Reject(("float32[2,2,2,3]",), "fits its padded input", {"window": (3, 3)}),
    Reject(("int32[2,4,4,3]",), "a float tensor", {"window": (2, 2)}),
    Reject(("float32[2,4,4,3]",), "padding smaller than the window", {"window": (2, 2), "pad": 2}),
)

MAX_POOL = Op(
    "max_pool", MaxPoolAttrs, infer, max_reference, about="the largest number of each window", vjp=max_vjp, rejects=_REJECTS,
    samples=(*_SHAPES, sample((2, 8, 9, 3), window=(3, 2), stride=(1, 2), pad=1, dilation=2)),
    window=lambda a: ([d * (k - 1) + 1 for k, d in zip(a.window, a.dilations, strict=True)], a.strides), **_WINDOW,
)  # fmt: skip
AVG_POOL = Op(
    "avg_pool", AvgPoolAttrs, infer, avg_reference, about="the mean of each window; padding is not counted", vjp=avg_vjp,
    samples=(*_SHAPES, sample((2, 7, 8, 2), window=(3, 3), stride=2, pad=1, count_padding=True, round="ceil")),
    rejects=_REJECTS, window=lambda a: (a.window, a.strides), **_WINDOW,
)  # fmt: skip
_RESOLVED: dict[str, Any] = {"window": (3, 3), "stride": (2, 2), "pad": ((1, 1), (1, 1)), "round": "floor"}
_OBLONG: dict[str, Any] = {"window": (3, 2), "stride": (1, 3), "pad": ((1, 1), (0, 1)), "round": "floor"}


def _pooled_sample(**attrs: Any) -> Sample:
    """x and its true maxima, so that the sample of the gradient is a possible one."""
    import numpy as np

    x = np.random.default_rng(5).permutation(2 * 7 * 7 * 2).reshape(2, 7, 7, 2) / 100.0
    y = max_reference(np, MaxPoolAttrs(**attrs), x)[0]
    return sample(x, y, y.shape, **attrs)


MAX_POOL_GRAD = Op(
    "max_pool_grad", MaxPoolAttrs, max_grad_infer, max_grad_reference, inputs=3, no_gradient=_GRAD_REASON,
    samples=(_pooled_sample(**_RESOLVED, dilation=(1, 1)), _pooled_sample(**_OBLONG, dilation=(2, 1))),
)  # fmt: skip
AVG_POOL_GRAD = Op(
    "avg_pool_grad", AvgPoolGradAttrs, avg_grad_infer, avg_grad_reference, no_gradient=_GRAD_REASON,
    samples=(
        sample((2, 4, 4, 2), **_RESOLVED, count_padding=False, sizes=(7, 7, 2)),
        sample((2, 7, 3, 2), **_OBLONG, count_padding=False, sizes=(7, 7, 2)),
    ),
)  # fmt: skip
