"""crop and take: cut a value in space and in channels; what `pad` does, undone, and its gradient is that `pad`.

crop: x (N, *space, C) to `size` about the centre, the odd row from the end; or less `amount` rows: one number for all
sides, one an axis, or (begin, end) an axis; and less `channels` = (before, after). take: the channels begin, …, end − 1
of `[begin, end]`; `a..b` has both ends. A word for such a crop.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from cnndsl.graph import window
from cnndsl.graph.op import Op, Reject, expect, sample
from cnndsl.graph.sizes import may_reach
from cnndsl.graph.types import TensorType


@dataclass(frozen=True, slots=True)
class CropAttrs:
    size: Any = None
    amount: Any = 0
    channels: Any = (0, 0)

    def __post_init__(self) -> None:
        if self.size is not None:
            object.__setattr__(self, "size", window.per_axis(self.size, "size"))
        object.__setattr__(self, "amount", window.clean_pad(self.amount))
        expect(not isinstance(self.amount, str), "numbers of rows to cut", "E302", amount=self.amount)
        expect(
            self.size is None or self.amount == 0, "a size or an amount, not both", "E303", size=self.size, amount=self.amount
        )
        object.__setattr__(self, "channels", pair(self.channels))


def pair(x: Any) -> tuple[int, int]:
    """Two whole numbers from 0."""
    found = window.per_axis(x, "channels", 0)
    expect(isinstance(found, tuple) and len(found) == 2, "channels as a list of two numbers", "E304", channels=x)
    return found  # type: ignore[return-value]


def amounts(a: CropAttrs, x: TensorType) -> tuple[Any, ...]:
    """(begin, end) to cut for each axis of space."""
    rank = x.rank - 2
    if a.size is None:
        return window.pads(a.amount, x.space, (1,) * rank, (1,) * rank, (1,) * rank)
    found: list[Any] = []
    for n, m in zip(x.space, window.spread(a.size, rank, "size"), strict=True):
        found.append(((n - m) // 2, (n - m) - (n - m) // 2))
    return tuple(found)


def out_space(a: CropAttrs, x: TensorType) -> tuple[Any, ...]:
    if a.size is not None:
        wanted = window.spread(a.size, x.rank - 2, "size")
        for n, m in zip(x.space, wanted, strict=True):
            expect(may_reach(n, m), "a size within the value", "E307", size=m, input=n)
        return wanted
    cut = amounts(a, x)
    for n, (b, e) in zip(x.space, cut, strict=True):
        expect(may_reach(n, b + e + 1), "a cut that leaves a row", "E307", amount=(b, e), input=n)
    return tuple(n - b - e for n, (b, e) in zip(x.space, cut, strict=True))


def resolve(a: CropAttrs, x: TensorType) -> CropAttrs:
    return replace(a, size=None, amount=amounts(a, x))


def infer(a: CropAttrs, x: TensorType) -> tuple[TensorType]:
    expect(x.is_float and x.rank >= 2, "a float tensor with channels", x=x)
    left = x.channels - sum(a.channels)
    expect(may_reach(left, 1), "a channel to be left", "E303", channels=a.channels, x=x)
    return (x.with_shape(x.shape[0], *out_space(a, x), left),)


def reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    cut = (*a.amount, a.channels)
    return (x[(slice(None), *(slice(b, n - e) for n, (b, e) in zip(x.shape[1:], cut)))].copy(),)


def vjp(g: Any, a: CropAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any]:
    return (g.pad(gys[0], amount=amounts(a, xs[0].type), channels=a.channels),)


@dataclass(frozen=True, slots=True)
class TakeAttrs:
    channels: Any

    def __post_init__(self) -> None:
        begin, end = pair(self.channels)
        expect(begin < end, "channels = [begin, end] with begin below end", "E303", channels=self.channels)
        object.__setattr__(self, "channels", (begin, end))


def as_crop(a: Any, x: TensorType) -> CropAttrs:
    """The crop that leaves these channels of `x`."""
    if isinstance(a, CropAttrs):
        return a
    expect(x.rank >= 2 and isinstance(x.channels, int), "a value with a known number of channels", "E602", x=x)
    begin, end = a.channels
    expect(end <= x.channels, "channels that exist", "E303", channels=f"[{begin}, {end}]", x=x)
    return CropAttrs(channels=(begin, x.channels - end))


CROP = Op(
    "crop", CropAttrs, infer, reference, word=True,
    about="cut in space and in channels: to a size about the centre, or by amounts",
    resolve=resolve, vjp=vjp,
    samples=(
        sample((2, 6, 7, 3), size=(4, 4)),
        sample((2, 5, 6, 3), amount=1),
        sample((2, 5, 6, 4), amount=((0, 2), (1, 1)), channels=(1, 2)),
        sample((2, 7, 3), size=(4,)),
        sample((1, 4, 5, 4, 2), size=3),
        sample((2, 6), channels=(1, 2)),
    ),
    rejects=(
        Reject(("float32[2,4,4,3]",), "a size within the value", {"size": 5}),
        Reject(("float32[2,4,4,3]",), "leaves a row", {"amount": 2}),
        Reject(("float32[2,4,4,3]",), "a channel to be left", {"channels": (1, 2)}),
        Reject(("int32[2,4,4,3]",), "a float tensor", {"amount": 1}),
    ),
)  # fmt: skip
TAKE = Op(
    "take", TakeAttrs, lambda a, x: infer(as_crop(a, x), x), reference, word=True,
    about="some of the channels: 0..63 has both ends, [0, 64] stops before its end",
    becomes=lambda a, x: (CROP, as_crop(a, x)),
    resolve=lambda a, x: resolve(as_crop(a, x), x),
    vjp=lambda g, a, xs, ys, gys: vjp(g, as_crop(a, xs[0].type), xs, ys, gys),
    words={"channels": ("..",)},
    samples=(sample((2, 3, 4, 7), channels=(2, 5)), sample((2, 6), channels=(0, 1)), sample((2, 4, 5), channels=(1, 5))),
    rejects=(Reject(("float32[2,3,3,4]",), "channels that exist", {"channels": (2, 5)}),),
)  # fmt: skip
