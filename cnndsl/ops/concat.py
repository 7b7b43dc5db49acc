"""concat: branches side by side along the channels. xi (N, *space, Ci) → y (N, *space, Σ Ci).

fit: `exact` demands equal space; `crop` cuts the middle of the larger ones down to the smallest (U-Net), the odd row
from the end. Its gradient is `take_part`: a stretch of channels, placed back into zeros where it was cropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnndsl.graph import window
from cnndsl.graph.op import Op, Reject, expect, sample
from cnndsl.graph.sizes import Size
from cnndsl.graph.types import TensorType

FITS = ("exact", "crop")


@dataclass(frozen=True, slots=True)
class ConcatAttrs:
    fit: str = "exact"

    def __post_init__(self) -> None:
        expect(self.fit in FITS, "fit to be exact or crop", "E305", fit=self.fit)


def infer(a: ConcatAttrs, *xs: TensorType) -> tuple[TensorType]:
    expect(len(xs) >= 1, "at least one value")
    first = xs[0]
    channels: Size = 0
    space = first.space
    for x in xs:
        expect(x.is_float and x.dtype == first.dtype and x.rank == first.rank, "float tensors of one rank", x=x)
        if a.fit == "exact":
            expect(x.shape[:-1] == first.shape[:-1], "equal sizes in every branch", "E312", first=first, other=x)
        else:
            space = tuple(min(p, q) for p, q in zip(space, x.space, strict=True))
        channels = channels + x.channels
    return (first.with_shape(first.shape[0], *space, channels),)


def reference(xp: Any, a: Any, *xs: Any) -> tuple[Any]:
    space = [min(sizes) for sizes in zip(*(x.shape[1:-1] for x in xs))]
    parts = []
    for x in xs:
        cut = [slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(x.shape[1:-1], space)]
        parts.append(x[(slice(None), *cut)])
    return (xp.concatenate(parts, axis=-1),)


def vjp(g: Any, a: ConcatAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any, ...]:
    grads, start = [], 0
    for x in xs:
        grads.append(g.take_part(gys[0], start=start, sizes=x.type.shape[1:]))
        start += x.type.channels
    return tuple(grads)


@dataclass(frozen=True, slots=True)
class TakePartAttrs:
    start: int
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        window.whole(self.start, "start", 0)
        window.check_whole(self.sizes, "sizes", len(self.sizes))


def part_infer(a: TakePartAttrs, gy: TensorType) -> tuple[TensorType]:
    good = gy.rank >= 2 and len(a.sizes) == gy.rank - 1 and all(n >= m for n, m in zip(a.sizes, gy.space, strict=False))
    expect(good, "sizes that the value is a part of", sizes=a.sizes, gy=gy)
    expect(a.start + a.sizes[-1] <= gy.channels, "channels that exist", start=a.start, gy=gy)
    return (gy.with_shape(gy.shape[0], *a.sizes),)


def part_reference(xp: Any, a: Any, gy: Any) -> tuple[Any]:
    part = gy[..., a.start : a.start + a.sizes[-1]]
    pads = [((n - m) // 2, n - m - (n - m) // 2) for n, m in zip(a.sizes[:-1], gy.shape[1:-1])]
    return (xp.pad(part, ((0, 0), *pads, (0, 0))),)


CONCAT = Op(
    "concat",
    ConcatAttrs,
    infer,
    reference,
    inputs=None,
    word=True,
    about="branches side by side along the channels",
    vjp=vjp,
    words={"fit": FITS},
    samples=(
        sample((2, 3, 4, 2), (2, 3, 4, 5)),
        sample((2, 6), (2, 3), (2, 1)),
        sample((2, 7, 6, 2), (2, 4, 4, 3), fit="crop"),
    ),
    rejects=(Reject(("float32[2,3,3,4]", "float32[2,3,4,4]"), "equal sizes"),),
)
TAKE_PART = Op(
    "take_part",
    TakePartAttrs,
    part_infer,
    part_reference,
    no_gradient="it is a gradient itself; second derivatives are not offered",
    samples=(sample((2, 3, 4, 7), start=2, sizes=(3, 4, 5)), sample((2, 4, 4, 5), start=0, sizes=(7, 6, 2))),
    rejects=(Reject(("float32[2,3,3,4]",), "channels that exist", {"start": 2, "sizes": (3, 3, 3)}),),
)
