"""Pieces of real networks: what the passes look for, and what stands near it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.differential.words import ACTIVATIONS, keys_for

if TYPE_CHECKING:
    from tests.differential.draw import Draft

Motif = Callable[["Draft", int], int]


def same(d: Draft, x: int, filters: int, k: int = 3, stride: int = 1, groups: int = 1) -> int:
    """A convolution that keeps the size where the stride is 1."""
    rank = len(d.shape(x)) - 1
    keys = {"pad": k // 2, "bias": d.draw.random() < 0.4, "groups": groups, "stride": stride}
    return d.add("conv", x, filters=filters, kernel=(k,) * rank, **keys)


def width(d: Draft) -> int:
    return d.draw.choice((2, 3, 4, 6, 8))


def norm(d: Draft, x: int) -> int:
    return d.add("batch_norm", x, eps=d.draw.choice((1e-3, 1e-5)))


def activation(d: Draft, x: int) -> int:
    return d.add(d.draw.choice(ACTIVATIONS), x)


def maybe(d: Draft, f: Callable[[Draft, int], int], x: int, chance: float = 0.6) -> int:
    return f(d, x) if d.draw.random() < chance else x


def conv_norm(d: Draft, x: int) -> int:
    if len(d.shape(x)) == 1:
        return norm(d, d.add("dense", x, units=width(d), bias=d.draw.random() < 0.5))
    word = d.draw.choice(("conv", "conv", "conv", "depthwise_conv", "conv_transpose"))
    return norm(d, d.add(word, x, **keys_for(word, d.draw, d.shape(x))))


def conv_norm_act(d: Draft, x: int) -> int:
    return activation(d, conv_norm(d, x))


def norm_conv(d: Draft, x: int) -> int:
    """Norm before the layer, with an activation between now and then; padding forbids folding its shift."""
    y = maybe(d, activation, norm(d, x), 0.3)
    if len(d.shape(y)) == 1:
        return d.add("dense", y, units=width(d))
    word = d.draw.choice(("conv", "depthwise_conv", "conv_transpose"))
    keys = keys_for(word, d.draw, d.shape(y))
    if d.draw.random() < 0.5:
        keys["pad"] = "valid"
    return d.add(word, y, **keys)


def residual(d: Draft, x: int) -> int:
    """Two convolutions and a shortcut, plain or projected; the norm and the activation before or after the sum."""
    filters, stride = d.shape(x)[-1], d.draw.choice((1, 1, 2))
    if d.draw.random() < 0.3:
        filters = width(d)
    y = maybe(d, norm, same(d, x, filters, 3, stride))
    y = maybe(d, activation, y)
    y = maybe(d, norm, same(d, y, filters, d.draw.choice((1, 3))))
    short = x
    if stride != 1 or filters != d.shape(x)[-1]:
        short = maybe(d, norm, same(d, x, filters, 1, stride))
    return maybe(d, activation, d.add("add", *((y, short) if d.draw.random() < 0.5 else (short, y))))


def towers(d: Draft, x: int) -> int:
    """Parallel 1×1 convolutions of one value, most often alike but for their filters, some followed by more, side by side."""
    branches, rank = [], len(d.shape(x)) - 1
    alike = d.draw.random() < 0.6
    act, bias = d.draw.choice((*ACTIVATIONS, "")), d.draw.random() < 0.5
    for _ in range(d.draw.choice((2, 3, 3, 4))):
        if alike:
            y = d.add("conv", x, filters=d.draw.choice((1, 2, 3)), kernel=(1,) * rank, bias=bias)
            y = d.add(act, y) if act else y
        else:
            y = maybe(d, activation, maybe(d, norm, same(d, x, d.draw.choice((1, 2, 3)), 1)))
        if d.draw.random() < 0.4:
            y = maybe(d, activation, same(d, y, width(d), 3))
        branches.append(y)
    if d.draw.random() < 0.5:
        y = d.add(d.draw.choice(("max_pool", "avg_pool")), x, window=(3,) * rank, stride=1, pad=1)
        branches.append(maybe(d, lambda d, y: same(d, y, d.draw.choice((1, 2)), 1), y))
    if d.draw.random() < 0.2:
        branches.append(x)
    return maybe(d, activation, d.add("concat", *branches), 0.3)


def dense_layers(d: Draft, x: int) -> int:
    """Each layer reads all before it (DenseNet)."""
    for _ in range(d.draw.choice((1, 2, 3))):
        x = d.add("concat", x, same(d, activation(d, norm(d, x)), 2, 3))
    return x


def padded(d: Draft, x: int) -> int:
    """One pad, or two, and what may take it; the maximum only of what is nowhere below 0."""
    word = d.draw.choice(("conv", "conv", "depthwise_conv", "max_pool", "max_pool", "avg_pool"))
    if d.draw.random() < 0.3:
        x = same(d, x, width(d), d.draw.choice((1, 3)))
    if word == "max_pool":
        x = maybe(d, lambda d, y: d.add("relu", y), x)
    for _ in range(d.draw.choice((1, 1, 1, 2))):
        keys = keys_for("pad", d.draw, d.shape(x))
        x = d.add("pad", x, **(keys | {"mode": "zero", "channels": (0, 0)} if d.draw.random() < 0.7 else keys))
    keys = keys_for(word, d.draw, d.shape(x))
    if d.draw.random() < 0.6:
        keys["pad"] = "valid"
    return maybe(d, activation, d.add(word, x, **keys), 0.3)


def pooled(d: Draft, x: int) -> int:
    """A pool between two layers, so that its gradient is needed."""
    word = d.draw.choice(("max_pool", "avg_pool", "max_pool", "avg_pool", "global_avg_pool", "global_max_pool"))
    y = maybe(d, activation, same(d, x, width(d), d.draw.choice((1, 3))), 0.5)
    y = d.add(word, y, **keys_for(word, d.draw, d.shape(y)))
    return d.add("dense", y, units=width(d)) if len(d.shape(y)) == 1 else same(d, y, width(d), 1)


def moved(d: Draft, x: int) -> int:
    """A word that lays numbers elsewhere, between two layers."""
    word = d.draw.choice(
        ("space_to_depth", "depth_to_space", "channel_shuffle", "crop", "take", "upsample", "downsample", "pad")
    )
    y = same(d, x, d.draw.choice((4, 6, 8)), 1)
    return same(d, d.add(word, y, **keys_for(word, d.draw, d.shape(y))), width(d), d.draw.choice((1, 3)))


def standardized(d: Draft, x: int) -> int:
    """The other norms, and lrn, between two layers."""
    word = d.draw.choice(("group_norm", "layer_norm", "instance_norm", "lrn"))
    y = same(d, x, d.draw.choice((4, 6, 8)), d.draw.choice((1, 3)))
    return same(d, maybe(d, activation, d.add(word, y, **keys_for(word, d.draw, d.shape(y)))), width(d), 1)


def separable(d: Draft, x: int) -> int:
    rank = len(d.shape(x)) - 1
    y = d.add("depthwise_conv", x, kernel=(3,) * rank, pad=1, stride=d.draw.choice((1, 2)), bias=False)
    y = activation(d, norm(d, y))
    return maybe(d, norm, same(d, y, width(d), 1))


def gate(d: Draft, x: int) -> int:
    """Squeeze and excitation: a number for each channel, from all of space."""
    shape = d.shape(x)
    y = d.add("dense", d.add("global_avg_pool", x), units=2)
    y = d.add("dense", d.add("relu", y), units=shape[-1])
    y = d.add("reshape", d.add(d.draw.choice(("sigmoid", "hard_sigmoid")), y), size=(*(1,) * (len(shape) - 1), shape[-1]))
    return d.add("multiply", *((x, y) if d.draw.random() < 0.5 else (y, x)))


def scaled(d: Draft, x: int) -> int:
    """Factors before and after a layer."""
    y = d.add("scale", x, factor=d.draw.choice((0.5, -2.0)))
    y = d.add("dense", y, units=width(d)) if len(d.shape(x)) == 1 else same(d, y, width(d), d.draw.choice((1, 3)))
    return d.add("scale", y, factor=d.draw.choice((0.5, -2.0)))


def shared(d: Draft, x: int) -> int:
    """One convolution on two values: its weights are read twice."""
    other = d.add("tanh", x)
    first = maybe(d, norm, same(d, x, width(d), d.draw.choice((1, 3))), 0.0)
    step = d.steps[-1]
    second = d.add("conv", other, shares=first, **dict(step.keys))
    return d.add("add", norm(d, first), maybe(d, norm, second))


def hourglass(d: Draft, x: int) -> int:
    """Down, up again, and beside what was there before (U-Net)."""
    rank = len(d.shape(x)) - 1
    y = activation(d, same(d, d.add("max_pool", x, window=(2,) * rank), width(d)))
    if d.draw.random() < 0.5:
        y = d.add("conv_transpose", y, filters=3, kernel=(2,) * rank, stride=2)
    else:
        y = d.add("upsample", y, factor=2, method=d.draw.choice(("nearest", "bilinear")))
    return d.add("concat", x, y, fit="crop")


def wide(d: Draft, x: int) -> int:
    """A 3×3 convolution of more channels than the others: Winograd's."""
    rank = len(d.shape(x)) - 1
    if d.draw.random() < 0.5:
        x = same(d, x, 12, 1)
    y = d.add("conv", x, filters=d.draw.choice((12, 16)), kernel=(3,) * rank, pad=d.draw.choice((1, 1, 0)))
    return maybe(d, activation, y)


def chain(d: Draft, x: int) -> int:
    """Pointwise words one after the other, one of them read again at the end."""
    y = first = activation(d, x)
    for _ in range(d.draw.randint(1, 4)):
        y = d.add("scale", y, factor=0.5) if d.draw.random() < 0.3 else activation(d, y)
    return d.add(d.draw.choice(("add", "multiply", "maximum", "subtract")), y, d.draw.choice((first, x)))


MOTIFS: tuple[Motif, ...] = (
    conv_norm, conv_norm_act, conv_norm_act, norm_conv, residual, residual, towers, towers, dense_layers, padded, separable,
    gate, scaled, shared, hourglass, wide, chain, padded, pooled, moved, standardized,
)  # fmt: skip
