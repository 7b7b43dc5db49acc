"""upsample and downsample by whole factors: along each axis of space a fixed linear map, so one op for all of them.

upsample: `nearest` repeats; `bilinear` weighs the two nearest by distance, pixels being areas (half-pixel centres,
PyTorch's align_corners = False; linear and trilinear in 1 and 3 dimensions). downsample: `average` of blocks; `lanczos`:
sinc(u)·sinc(u / 3) for |u| < 3 with u = (j + ½) / factor − (i + ½), widened by the factor (antialias), the weights of
an output made to sum to 1 at the edges too, as Pillow's resize. Duchon 1979; Ulyanov et al. 2018 (super-resolution).

Graphs hold `resample`, whose gradient is the transposed map: `resample` again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from cnndsl.graph import window
from cnndsl.graph.op import Op, Reject, Work, expect, sample, truth
from cnndsl.graph.types import TensorType

UP = ("nearest", "bilinear")
DOWN = ("average", "lanczos")


@dataclass(frozen=True, slots=True)
class ResampleAttrs:
    """factor: one an axis. transposed: the gradient, from the output's size back to the input's."""

    factor: tuple[int, ...]
    method: str
    transposed: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "factor", window.kernel(self.factor, "factor"))
        expect(self.method in UP + DOWN, f"method to be one of {', '.join(UP + DOWN)}", "E305", method=self.method)
        truth(self.transposed, "transposed")

    @property
    def grows(self) -> bool:
        return (self.method in UP) != self.transposed


@dataclass(frozen=True, slots=True)
class UpsampleAttrs:
    factor: Any
    method: str = "nearest"

    def __post_init__(self) -> None:
        object.__setattr__(self, "factor", window.per_axis(self.factor, "factor"))
        expect(self.method in UP, "method to be nearest or bilinear", "E305", method=self.method)


@dataclass(frozen=True, slots=True)
class DownsampleAttrs:
    factor: Any
    method: str = "average"

    def __post_init__(self) -> None:
        object.__setattr__(self, "factor", window.per_axis(self.factor, "factor"))
        expect(self.method in DOWN, "method to be average or lanczos", "E305", method=self.method)


def as_resample(a: Any, x: TensorType) -> ResampleAttrs:
    if isinstance(a, ResampleAttrs):
        return a
    expect(x.is_float and 3 <= x.rank <= 5, "a float tensor with space", x=x)
    return ResampleAttrs(window.spread(a.factor, x.rank - 2, "factor"), a.method)


def infer(a: ResampleAttrs, x: TensorType) -> tuple[TensorType]:
    expect(x.is_float and x.rank == len(a.factor) + 2, "a float tensor with an axis for each factor", factor=a.factor, x=x)
    if a.grows:
        return (x.with_shape(x.shape[0], *(n * f for n, f in zip(x.space, a.factor, strict=True)), x.channels),)
    for n, f in zip(x.space, a.factor, strict=True):
        expect(n % f == 0, "a factor that divides the size", "E308", factor=f, size=n)
    return (x.with_shape(x.shape[0], *(n // f for n, f in zip(x.space, a.factor, strict=True)), x.channels),)


def reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    y = x
    grows = (a.method in ("nearest", "bilinear")) != a.transposed
    for axis, f in enumerate(a.factor, 1):
        n = y.shape[axis]
        small = n if grows else n // f
        if f == 1:
            continue
        if a.method in ("nearest", "average"):
            if grows:
                y = xp.repeat(y, f, axis=axis)
            else:
                y = xp.sum(y.reshape(*y.shape[:axis], small, f, *y.shape[axis + 1 :]), axis=axis + 1)
            y = y / f if a.method == "average" else y
            continue
        near, far = xp.arange(small), (xp.arange(small * f) + 0.5) / f  # places, in steps of the smaller side
        if a.method == "bilinear":
            places = xp.clip(far - 0.5, 0, small - 1)
            weights = xp.maximum(0.0, 1.0 - xp.abs(places[:, None] - near))
        else:
            u = far - (near[:, None] + 0.5)
            weights = xp.where(xp.abs(u) < 3, xp.sinc(u) * xp.sinc(u / 3), 0.0)
            weights = weights / xp.sum(weights, axis=1, keepdims=True)
        weights = (weights.T if a.transposed else weights).astype(x.dtype)
        y = xp.moveaxis(xp.tensordot(weights, y, (1, axis)), 0, axis)
    return (y.copy(),)


def vjp(g: Any, a: ResampleAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any]:
    return (g.resample(gys[0], factor=a.factor, method=a.method, transposed=not a.transposed),)


def work(a: ResampleAttrs, x: TensorType) -> Work:
    """Operations along one axis after the other, each number of the larger side weighed as often as the map needs."""
    taps = {"nearest": 1, "average": 1, "bilinear": 2, "lanczos": 6}[a.method]
    total, sizes = 0, list(x.sizes)
    for axis, f in enumerate(a.factor, 1):
        if f == 1:
            continue
        larger = 1
        for n in sizes:
            larger *= n
        larger *= f if a.grows else 1
        sizes[axis] = sizes[axis] * f if a.grows else sizes[axis] // f
        total += taps * larger
    return Work(operations=total)


def word(name: str, attrs: type, **keys: Any) -> Op:
    """An op of the language whose graphs hold `resample`."""
    return Op(
        name, attrs, lambda a, x: infer(as_resample(a, x), x), reference, word=True,
        becomes=lambda a, x: (RESAMPLE, as_resample(a, x)),
        resolve=lambda a, x: as_resample(a, x),
        vjp=lambda g, a, xs, ys, gys: vjp(g, as_resample(a, xs[0].type), xs, ys, gys),
        work=lambda a, x: work(as_resample(a, x), x), **keys,
    )  # fmt: skip


_FORWARD = (
    sample((2, 3, 5, 2), factor=(2, 3), method="nearest"),
    sample((2, 3, 5, 2), factor=(2, 2), method="bilinear"),
    sample((2, 1, 5, 2), factor=(4, 3), method="bilinear"),
    sample((2, 5, 3), factor=(3,), method="bilinear"),
    sample((1, 2, 3, 2, 2), factor=(2, 1, 3), method="bilinear"),
    sample((2, 4, 9, 2), factor=(2, 3), method="average"),
    sample((2, 16, 9, 2), factor=(4, 3), method="lanczos"),
    sample((2, 10, 2), factor=(2,), method="lanczos"),
    sample((1, 4, 2, 6, 2), factor=(2, 1, 3), method="lanczos"),
)


def _transposed(s: Any) -> Any:
    """The sample of a gradient: an array of the output's shape."""
    (x,), f = s.arrays, s.attrs["factor"]
    up = s.attrs["method"] in UP
    space = (n * k if up else n // k for n, k in zip(x[1:-1], f, strict=True))
    return replace(s, arrays=((x[0], *space, x[-1]),), attrs={**s.attrs, "transposed": True})


RESAMPLE = Op(
    "resample", ResampleAttrs, infer, reference, vjp=vjp, work=work,
    samples=(*_FORWARD, *map(_transposed, _FORWARD)),
    rejects=(Reject(("float32[2,5,4,3]",), "a factor that divides", {"factor": (2, 2), "method": "average"}),),
)  # fmt: skip
UPSAMPLE = word(
    "upsample", UpsampleAttrs, about="larger by a whole factor, by the nearest number or linearly", words={"method": UP},
    samples=(
        sample((2, 3, 5, 2), factor=2), sample((2, 3, 4, 2), factor=(1, 3), method="bilinear"),
        sample((2, 5, 3), factor=2, method="bilinear"), sample((1, 2, 3, 2, 2), factor=2),
    ),
    rejects=(Reject(("float32[2,5]",), "a float tensor with space", {"factor": 2}),),
)  # fmt: skip
DOWNSAMPLE = word(
    "downsample", DownsampleAttrs, about="smaller by a whole factor, by means of blocks or Lanczos windows",
    words={"method": DOWN},
    samples=(
        sample((2, 4, 6, 2), factor=2), sample((2, 8, 12, 3), factor=4, method="lanczos"),
        sample((2, 9, 3), factor=3, method="lanczos"), sample((1, 2, 4, 2, 2), factor=2),
    ),
    rejects=(
        Reject(("float32[2,5]",), "a float tensor with space", {"factor": 2}),
        Reject(("float32[2,5,4,3]",), "a factor that divides", {"factor": 2, "method": "lanczos"}),
    ),
)  # fmt: skip
