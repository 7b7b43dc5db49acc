"""Layout: several images side by side in the channels, for layers of few channels and large batches.

`to_lanes`: x (B · lanes, *space, C) → (B, *space, C · lanes), where number c · lanes + n of a position is channel c of image
b · lanes + n. `from_lanes` is the way back. `repeat_lanes`: v (C,) → (C · lanes,), each number `lanes` times: a vector of
channels for arrays of lanes. What works number by number, pools, pads or concatenates means the same on such an array
as on its images; a convolution does not, so it and its gradients have a twin here (two dimensions, zero padding, one
group). Made by `choose_layout`, never written by a user.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnndsl.graph import window
from cnndsl.graph.op import Op, Reject, Work, expect, sample
from cnndsl.graph.types import TensorType


@dataclass(frozen=True, slots=True)
class LanesAttrs:
    lanes: int

    def __post_init__(self) -> None:
        window.whole(self.lanes, "lanes")


def to_infer(a: LanesAttrs, x: TensorType) -> tuple[TensorType]:
    batch, *space, channels = x.sizes
    expect(batch % a.lanes == 0, "a batch that is a multiple of the lanes", "E601", lanes=a.lanes, x=x)
    return (x.with_shape(batch // a.lanes, *space, channels * a.lanes),)


def to_reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    many = xp.moveaxis(x.reshape(x.shape[0] // a.lanes, a.lanes, *x.shape[1:]), 1, -1)
    return (many.reshape(*many.shape[:-2], -1),)


def from_infer(a: LanesAttrs, x: TensorType) -> tuple[TensorType]:
    blocks, *space, channels = x.sizes
    expect(channels % a.lanes == 0, "channels that are a multiple of the lanes", "E601", lanes=a.lanes, x=x)
    return (x.with_shape(blocks * a.lanes, *space, channels // a.lanes),)


def from_reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    many = xp.moveaxis(x.reshape(*x.shape[:-1], -1, a.lanes), -1, 1)
    return (many.reshape(-1, *many.shape[2:]),)


def repeat_infer(a: LanesAttrs, v: TensorType) -> tuple[TensorType]:
    expect(v.rank == 1, "a vector", "E601", v=v)
    return (v.with_shape(v.sizes[0] * a.lanes),)


def repeat_reference(xp: Any, a: Any, v: Any) -> tuple[Any]:
    return (xp.repeat(v, a.lanes),)


@dataclass(frozen=True, slots=True)
class LaneConvAttrs:
    """Of a convolution and its gradients: everything resolved; `sizes`: the input's (H, W, C)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[tuple[int, int], tuple[int, int]]
    lanes: int
    sizes: tuple[int, int, int]

    def __post_init__(self) -> None:
        rank = window.check_resolved(self.kernel, self.stride, self.pad)
        expect(rank == 2, "a kernel of 2 axes", "E304", kernel=self.kernel)
        window.whole(self.lanes, "lanes")
        window.check_whole(self.sizes, "sizes", 3)


def out_space(a: LaneConvAttrs) -> tuple[Any, ...]:
    return window.out_sizes(a.sizes[:2], a.kernel, a.stride, (1, 1), a.pad)


def check_input(a: LaneConvAttrs, x: TensorType) -> None:
    wanted = (*a.sizes[:2], a.sizes[2] * a.lanes)
    expect(x.is_float and x.shape[1:] == wanted, f"an array of lanes (B, {', '.join(map(str, wanted))})", "E601", x=x)


def check_weight(a: LaneConvAttrs, w: TensorType) -> None:
    wanted = (*a.kernel, a.sizes[2])
    expect(w.rank == 4 and w.shape[:-1] == wanted, f"a weight of shape {wanted} + filters", "E601", weight=w)


def conv_infer(a: LaneConvAttrs, x: TensorType, w: TensorType) -> tuple[TensorType]:
    check_input(a, x)
    check_weight(a, w)
    return (x.with_shape(x.shape[0], *out_space(a), w.sizes[-1] * a.lanes),)


def conv_reference(xp: Any, a: Any, x: Any, w: Any) -> tuple[Any]:
    many = xp.moveaxis(x.reshape(*x.shape[:-1], -1, a.lanes), -1, 1)
    many = xp.pad(many, ((0, 0), (0, 0), *a.pad, (0, 0)))
    out = [(n - k) // s + 1 for n, k, s in zip(many.shape[2:4], a.kernel, a.stride)]
    total = 0
    for m in range(a.kernel[0]):
        for q in range(a.kernel[1]):
            cut = [slice(t, t + (o - 1) * s + 1, s) for t, o, s in zip((m, q), out, a.stride)]
            total = total + xp.matmul(many[(slice(None), slice(None), *cut)], w[m, q])
    y = xp.moveaxis(total, 1, -1)
    return (y.reshape(*y.shape[:-2], -1),)


def input_grad_infer(a: LaneConvAttrs, gy: TensorType, w: TensorType) -> tuple[TensorType]:
    check_weight(a, w)
    expect(gy.sizes[1:] == (*out_space(a), w.sizes[-1] * a.lanes), "the gradient of what it was made for", "E601", gy=gy)
    return (gy.with_shape(gy.shape[0], *a.sizes[:2], a.sizes[2] * a.lanes),)


def input_grad_reference(xp: Any, a: Any, gy: Any, w: Any) -> tuple[Any]:
    many = xp.moveaxis(gy.reshape(*gy.shape[:-1], -1, a.lanes), -1, 1)
    padded = [n + b + e for n, (b, e) in zip(a.sizes, a.pad)]
    gx = xp.zeros((*many.shape[:2], *padded, a.sizes[2]), gy.dtype)
    for m in range(a.kernel[0]):
        for q in range(a.kernel[1]):
            cut = [slice(t, t + (o - 1) * s + 1, s) for t, o, s in zip((m, q), many.shape[2:4], a.stride)]
            gx[(slice(None), slice(None), *cut)] += xp.matmul(many, w[m, q].T)
    inner = [slice(b, b + n) for n, (b, e) in zip(a.sizes, a.pad)]
    y = xp.moveaxis(gx[(slice(None), slice(None), *inner)], 1, -1)
    return (y.reshape(*y.shape[:-2], -1),)


def weight_grad_infer(a: LaneConvAttrs, x: TensorType, gy: TensorType) -> tuple[TensorType]:
    check_input(a, x)
    good = gy.rank == 4 and gy.sizes[1:3] == out_space(a) and gy.sizes[0] == x.sizes[0] and gy.sizes[-1] % a.lanes == 0
    expect(good, "the gradient of what it was made for", "E601", gy=gy)
    return (x.with_shape(*a.kernel, a.sizes[2], gy.sizes[-1] // a.lanes),)


def weight_grad_reference(xp: Any, a: Any, x: Any, gy: Any) -> tuple[Any]:
    many = xp.moveaxis(x.reshape(*x.shape[:-1], -1, a.lanes), -1, 1)
    upper = xp.moveaxis(gy.reshape(*gy.shape[:-1], -1, a.lanes), -1, 1)
    many = xp.pad(many, ((0, 0), (0, 0), *a.pad, (0, 0)))
    gw = xp.zeros((*a.kernel, a.sizes[2], upper.shape[-1]), gy.dtype)
    for m in range(a.kernel[0]):
        for q in range(a.kernel[1]):
            cut = [slice(t, t + (o - 1) * s + 1, s) for t, o, s in zip((m, q), upper.shape[2:4], a.stride)]
            under = many[(slice(None), slice(None), *cut)].reshape(-1, a.sizes[2])
            gw[m, q] = xp.matmul(under.T, upper.reshape(-1, upper.shape[-1]))
    return (gw,)


def conv_work(a: LaneConvAttrs, upper: TensorType) -> Work:
    return Work(multiply_adds=upper.elements * a.kernel[0] * a.kernel[1] * a.sizes[2])


REASON = "layouts are chosen after gradients are taken"
_PLAIN: dict[str, Any] = {"kernel": (3, 3), "stride": (1, 1), "pad": ((1, 1), (1, 1)), "lanes": 2, "sizes": (5, 6, 3)}
_ODD: dict[str, Any] = {"kernel": (2, 3), "stride": (2, 1), "pad": ((0, 1), (2, 0)), "lanes": 4, "sizes": (7, 5, 2)}
_ONE: dict[str, Any] = {"kernel": (1, 1), "stride": (2, 2), "pad": ((0, 0), (0, 0)), "lanes": 2, "sizes": (5, 5, 3)}
_WIDE: dict[str, Any] = {**_ODD, "stride": (1, 1)}
_UPPER = {"plain": (2, 5, 6, 8), "wide": (2, 7, 5, 12), "odd": (2, 4, 5, 12), "one": (2, 3, 3, 4)}

TO_LANES = Op(
    "to_lanes", LanesAttrs, to_infer, to_reference, no_gradient=REASON,
    samples=(sample((4, 3, 2, 3), lanes=2), sample((8, 5), lanes=4)),
    rejects=(Reject(("float32[3,2,2,1]",), "a multiple of the lanes", {"lanes": 2}),),
)  # fmt: skip
FROM_LANES = Op(
    "from_lanes", LanesAttrs, from_infer, from_reference, no_gradient=REASON,
    samples=(sample((2, 3, 2, 6), lanes=2), sample((2, 20), lanes=4)),
    rejects=(Reject(("float32[3,2,2,5]",), "a multiple of the lanes", {"lanes": 2}),),
)  # fmt: skip
REPEAT_LANES = Op(
    "repeat_lanes", LanesAttrs, repeat_infer, repeat_reference, no_gradient=REASON,
    samples=(sample((3,), lanes=4),),
    rejects=(Reject(("float32[3,2]",), "a vector", {"lanes": 2}),),
)  # fmt: skip
LANE_CONV = Op(
    "lane_conv", LaneConvAttrs, conv_infer, conv_reference, no_gradient=REASON,
    work=lambda a, x, w: conv_work(a, x.with_shape(x.shape[0], *out_space(a), w.sizes[-1] * a.lanes)),
    samples=(
        sample((2, 5, 6, 6), (3, 3, 3, 4), **_PLAIN),
        sample((2, 7, 5, 8), (2, 3, 2, 3), **_ODD),
        sample((2, 5, 5, 6), (1, 1, 3, 2), **_ONE),
    ),
    rejects=(Reject(("float32[2,5,6,3]", "float32[3,3,3,4]"), "an array of lanes", _PLAIN),),
)  # fmt: skip
LANE_CONV_INPUT_GRAD = Op(
    "lane_conv_input_grad", LaneConvAttrs, input_grad_infer, input_grad_reference, inputs=2, no_gradient=REASON,
    work=lambda a, gy, w: conv_work(a, gy),
    samples=(
        sample(_UPPER["plain"], (3, 3, 3, 4), **_PLAIN),
        sample(_UPPER["odd"], (2, 3, 2, 3), **_ODD),
        sample(_UPPER["wide"], (2, 3, 2, 3), **_WIDE),
        sample(_UPPER["one"], (1, 1, 3, 2), **_ONE),
    ),
    rejects=(Reject(("float32[2,5,6,6]", "float32[3,3,3,4]"), "what it was made for", _PLAIN),),
)  # fmt: skip
LANE_CONV_WEIGHT_GRAD = Op(
    "lane_conv_weight_grad", LaneConvAttrs, weight_grad_infer, weight_grad_reference, inputs=2, batch="sum",
    no_gradient=REASON, work=lambda a, x, gy: conv_work(a, gy),
    samples=(
        sample((2, 5, 6, 6), _UPPER["plain"], **_PLAIN),
        sample((2, 7, 5, 8), _UPPER["odd"], **_ODD),
        sample((2, 5, 5, 6), _UPPER["one"], **_ONE),
    ),
    rejects=(Reject(("float32[2,5,6,6]", "float32[2,4,6,8]"), "what it was made for", _PLAIN),),
)  # fmt: skip
