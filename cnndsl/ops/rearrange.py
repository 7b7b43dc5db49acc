"""channel_shuffle, space_to_depth, depth_to_space: the same numbers in other places.

channel_shuffle(groups): channel i·(C / groups) + j becomes j·groups + i (Zhang et al. 2018).
space_to_depth(block): x (N, *space, C) → (N, *(space / block), blockʳ·C) for r axes of space, where the channel is
((i·block + j)…)·C + c for place (i, j, …) in its block; depth_to_space undoes it. TensorFlow's order, ONNX's DCR; PyTorch's
pixel_shuffle has c outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnndsl.graph import window
from cnndsl.graph.op import Op, Reject, expect, sample
from cnndsl.graph.types import TensorType


@dataclass(frozen=True, slots=True)
class ShuffleAttrs:
    groups: int

    def __post_init__(self) -> None:
        window.whole(self.groups, "groups")


def shuffle_infer(a: ShuffleAttrs, x: TensorType) -> tuple[TensorType]:
    expect(x.is_float and x.rank >= 2, "a float tensor with channels", x=x)
    expect(x.channels % a.groups == 0, "groups that divide the channels", "E308", groups=a.groups, channels=x.channels)
    return (x,)


def shuffle_reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    parts = x.reshape(*x.shape[:-1], a.groups, x.shape[-1] // a.groups)
    return (xp.swapaxes(parts, -1, -2).reshape(x.shape),)


def shuffle_vjp(g: Any, a: ShuffleAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any]:
    return (g.channel_shuffle(gys[0], groups=xs[0].type.channels // a.groups),)


@dataclass(frozen=True, slots=True)
class BlockAttrs:
    block: int

    def __post_init__(self) -> None:
        window.whole(self.block, "block")


def check(x: TensorType) -> int:
    """How many axes of space `x` has."""
    expect(x.is_float and 3 <= x.rank <= 5, "a float tensor with space", x=x)
    return x.rank - 2


def deep_infer(a: BlockAttrs, x: TensorType) -> tuple[TensorType]:
    rank = check(x)
    for n in x.space:
        expect(n % a.block == 0, "a block that divides the size", "E308", block=a.block, x=x)
    return (x.with_shape(x.shape[0], *(n // a.block for n in x.space), x.channels * a.block**rank),)


def deep_reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    rank, b = len(x.shape) - 2, a.block
    split = [part for n in x.shape[1:-1] for part in (n // b, b)]
    order = (0, *range(1, 2 * rank, 2), *range(2, 2 * rank + 1, 2), 2 * rank + 1)
    y = xp.transpose(x.reshape(x.shape[0], *split, x.shape[-1]), order)
    return (y.reshape(x.shape[0], *(n // b for n in x.shape[1:-1]), x.shape[-1] * b**rank),)


def wide_infer(a: BlockAttrs, x: TensorType) -> tuple[TensorType]:
    parts = a.block ** check(x)
    expect(x.channels % parts == 0, f"channels that {parts} divides", "E308", block=a.block, channels=x.channels)
    return (x.with_shape(x.shape[0], *(n * a.block for n in x.space), x.channels // parts),)


def wide_reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    rank, b = len(x.shape) - 2, a.block
    channels = x.shape[-1] // b**rank
    order = (0, *(k for i in range(rank) for k in (1 + i, 1 + rank + i)), 2 * rank + 1)
    y = xp.transpose(x.reshape(*x.shape[:-1], *(b,) * rank, channels), order)
    return (y.reshape(x.shape[0], *(n * b for n in x.shape[1:-1]), channels),)


CHANNEL_SHUFFLE = Op(
    "channel_shuffle", ShuffleAttrs, shuffle_infer, shuffle_reference, word=True,
    about="channels of the groups in turns: i·(C / groups) + j becomes j·groups + i",
    vjp=shuffle_vjp,
    samples=(sample((2, 3, 4, 6), groups=2), sample((2, 3, 6), groups=3), sample((2, 6), groups=6)),
    rejects=(Reject(("float32[2,3,3,4]",), "groups that divide", {"groups": 3}),),
)  # fmt: skip
SPACE_TO_DEPTH = Op(
    "space_to_depth", BlockAttrs, deep_infer, deep_reference, word=True,
    about="each block of space into channels; the block is outside, the channel inside",
    vjp=lambda g, a, xs, ys, gys: (g.depth_to_space(gys[0], block=a.block),),
    samples=(sample((2, 4, 6, 3), block=2), sample((2, 9, 2), block=3), sample((1, 2, 4, 6, 2), block=2)),
    rejects=(
        Reject(("float32[2,4,5,3]",), "a block that divides", {"block": 2}),
        Reject(("float32[2,4]",), "a float tensor with space", {"block": 2}),
    ),
)  # fmt: skip
DEPTH_TO_SPACE = Op(
    "depth_to_space", BlockAttrs, wide_infer, wide_reference, word=True,
    about="channels into blocks of space, space_to_depth undone",
    vjp=lambda g, a, xs, ys, gys: (g.space_to_depth(gys[0], block=a.block),),
    samples=(sample((2, 2, 3, 12), block=2), sample((2, 5, 6), block=3), sample((1, 2, 1, 3, 8), block=2)),
    rejects=(Reject(("float32[2,4,4,6]",), "channels that 4 divides", {"block": 2}),),
)  # fmt: skip
