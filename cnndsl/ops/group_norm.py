"""group_norm: each image normalised over space and over groups of its channels, then scaled and shifted per channel.

x, y (N, *space, C); gamma, beta (C,). Channels [k·C/groups, (k + 1)·C/groups) of one image make a group, with one mean and
one biased variance over them and all of space: y = gamma · (x − mean) / √(variance + eps) + beta. `layer_norm` is one
group, `instance_norm` a group for each channel: words for the same op. Wu, He, "Group Normalization", 2018, figure 2;
Ba, Kiros, Hinton 2016; Ulyanov, Vedaldi, Lempitsky 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnndsl.graph import window
from cnndsl.graph.op import Op, Reject, WeightSpec, Work, expect, number, sample
from cnndsl.graph.types import TensorType


def positive(eps: float) -> None:
    number(eps, "eps")
    expect(eps > 0, "eps above 0", "E303", eps=eps)


@dataclass(frozen=True, slots=True)
class GroupNormAttrs:
    groups: int = 32
    eps: float = 1e-5

    def __post_init__(self) -> None:
        window.whole(self.groups, "groups")
        positive(self.eps)


@dataclass(frozen=True, slots=True)
class NormAttrs:
    eps: float = 1e-5

    def __post_init__(self) -> None:
        positive(self.eps)


def check(a: GroupNormAttrs, x: TensorType) -> None:
    expect(x.is_float and x.rank >= 2 and isinstance(x.channels, int), "a value with a known number of channels", x=x)
    assert isinstance(x.channels, int)
    expect(x.channels % a.groups == 0, "groups that divide the channels", "E308", groups=a.groups, channels=x.channels)


def weights(a: GroupNormAttrs, x: TensorType) -> tuple[WeightSpec, ...]:
    check(a, x)
    assert isinstance(x.channels, int)
    return (WeightSpec("gamma", (x.channels,), "ones", decay=False), WeightSpec("beta", (x.channels,), decay=False))


def infer(a: GroupNormAttrs, x: TensorType, gamma: TensorType, beta: TensorType) -> tuple[TensorType]:
    check(a, x)
    for s in (gamma, beta):
        expect(s.shape == (x.channels,), f"two vectors of {x.channels} channels", "E309", given=s)
    return (x,)


def reference(xp: Any, a: Any, x: Any, gamma: Any, beta: Any) -> tuple[Any]:
    parts = x.reshape(x.shape[0], -1, a.groups, x.shape[-1] // a.groups)
    centred = parts - xp.mean(parts, axis=(1, 3), keepdims=True)
    variance = xp.mean(centred * centred, axis=(1, 3), keepdims=True)
    return (gamma * (centred / xp.sqrt(variance + a.eps)).reshape(x.shape) + beta,)


def vjp(g: Any, a: GroupNormAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any, Any, Any]:
    x, gamma, _ = xs
    axes = tuple(range(x.type.rank - 1))
    normal = g.standardize(x, groups=a.groups, eps=a.eps)
    inner = g.pointwise(lambda e, d, s: d * s, gys[0], gamma)
    gx = g.standardize_grad(x, normal, inner, groups=a.groups, eps=a.eps)
    ggamma = g.reduce_sum(g.pointwise(lambda e, d, y: d * y, gys[0], normal), axes=axes)
    return gx, ggamma, g.reduce_sum(gys[0], axes=axes)


def standardize_infer(a: GroupNormAttrs, x: TensorType) -> tuple[TensorType]:
    check(a, x)
    return (x,)


def grad_infer(a: GroupNormAttrs, x: TensorType, y: TensorType, gy: TensorType) -> tuple[TensorType]:
    check(a, x)
    expect(x == y == gy, "operands of one shape and type", x=x, y=y, gy=gy)
    return (x,)


def standardize_reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    parts = x.reshape(x.shape[0], -1, a.groups, x.shape[-1] // a.groups)
    centred = parts - xp.mean(parts, axis=(1, 3), keepdims=True)
    variance = xp.mean(centred * centred, axis=(1, 3), keepdims=True)
    return ((centred / xp.sqrt(variance + a.eps)).reshape(x.shape),)


def grad_reference(xp: Any, a: Any, x: Any, y: Any, gy: Any) -> tuple[Any]:
    """gx = (gy − mean(gy) − y · mean(gy · y)) / √(variance + eps), means over each group."""
    shape = (x.shape[0], -1, a.groups, x.shape[-1] // a.groups)
    parts, normal, d = x.reshape(shape), y.reshape(shape), gy.reshape(shape)
    centred = parts - xp.mean(parts, axis=(1, 3), keepdims=True)
    spread = xp.sqrt(xp.mean(centred * centred, axis=(1, 3), keepdims=True) + a.eps)
    inner = d - xp.mean(d, axis=(1, 3), keepdims=True) - normal * xp.mean(d * normal, axis=(1, 3), keepdims=True)
    return ((inner / spread).reshape(x.shape),)


def work(a: Any, x: TensorType, *rest: TensorType) -> Work:
    return Work(operations=7 * x.elements)


def of_channels(a: NormAttrs, x: TensorType) -> GroupNormAttrs:
    """instance_norm: a group for each channel."""
    expect(x.rank >= 3 and isinstance(x.channels, int), "a value with space and a known number of channels", x=x)
    assert isinstance(x.channels, int)
    return GroupNormAttrs(x.channels, a.eps)


def of_all(a: NormAttrs, x: TensorType) -> GroupNormAttrs:
    """layer_norm: all channels in one group."""
    return GroupNormAttrs(1, a.eps)


def word(name: str, meaning: Any, **keys: Any) -> Op:
    """An op of the language whose graphs hold `group_norm`."""
    return Op(
        name, NormAttrs, lambda a, x, *rest: infer(meaning(a, x), x, *rest), reference, word=True,
        weights=lambda a, x: weights(meaning(a, x), x),
        becomes=lambda a, x, *rest: (GROUP_NORM, meaning(a, x)),
        resolve=lambda a, x, *rest: a if isinstance(a, GroupNormAttrs) else meaning(a, x),
        vjp=lambda g, a, xs, ys, gys: vjp(g, meaning(a, xs[0].type), xs, ys, gys),
        work=work, **keys,
    )  # fmt: skip


GROUP_NORM = Op(
    "group_norm", GroupNormAttrs, infer, reference, word=True, weights=weights, vjp=vjp, work=work,
    samples=(
        sample((2, 4, 3, 6), (6,), (6,), groups=3), sample((2, 5, 4), (4,), (4,), groups=2, eps=1e-3),
        sample((3, 8), (8,), (8,), groups=4), sample((2, 2, 3, 2, 4), (4,), (4,), groups=1),
    ),
    rejects=(
        Reject(("float32[2,4,4,6]", "float32[6]", "float32[6]"), "groups that divide", {"groups": 4}),
        Reject(("float32[2,4,4,6]", "float32[6]", "float32[3]"), "two vectors of 6", {"groups": 2}),
    ),
)  # fmt: skip
LAYER_NORM = word(
    "layer_norm", of_all, about="each image normalised over space and channels, then scaled and shifted per channel",
    samples=(sample((2, 4, 3, 5), (5,), (5,)), sample((3, 7), (7,), (7,), eps=1e-3)),
    rejects=(Reject(("float32[2,4,4,3]", "float32[4]", "float32[3]"), "two vectors of 3"),),
)  # fmt: skip
INSTANCE_NORM = word(
    "instance_norm", of_channels, about="each channel of an image normalised over space, then scaled and shifted",
    samples=(sample((2, 4, 3, 5), (5,), (5,)), sample((2, 9, 3), (3,), (3,))),
    rejects=(Reject(("float32[2,3]", "float32[3]", "float32[3]"), "a value with space"),),
)  # fmt: skip
STANDARDIZE = Op(
    "standardize", GroupNormAttrs, standardize_infer, standardize_reference, work=work,
    vjp=lambda g, a, xs, ys, gys: (g.standardize_grad(xs[0], ys[0], gys[0], groups=a.groups, eps=a.eps),),
    samples=(sample((2, 4, 3, 6), groups=3), sample((3, 8), groups=1)),
    rejects=(Reject(("float32[2,4,4,6]",), "groups that divide", {"groups": 4}),),
)  # fmt: skip
STANDARDIZE_GRAD = Op(
    "standardize_grad", GroupNormAttrs, grad_infer, grad_reference, inputs=3, work=work,
    no_gradient="a step needs no gradient of a gradient",
    samples=(sample((2, 4, 3, 6), (2, 4, 3, 6), (2, 4, 3, 6), groups=3), sample((3, 8), (3, 8), (3, 8), groups=2)),
    rejects=(Reject(("float32[2,6]", "float32[2,6]", "float32[2,3]"), "operands of one shape and type", {"groups": 1}),),
)  # fmt: skip
