"""identity, flatten, reshape, view, spread: the same numbers under the same or another shape.

flatten: (N, *space, C) → (N, H·W·…·C), row-major over space and channels. reshape: to (N, *size), in that same order;
one number of `size` may be `_`, which becomes what is left. view: to `shape`, batch included, of which gradients are
made; when the batch is cut, only axis 0 differs. spread: (N, C) → (N, 1, …, C) of `rank` axes, so that a gate meets
(N, *space, C) by NumPy's broadcasting; the language adds it where `multiply` has such a branch. All are views.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnndsl.errors import counted, error
from cnndsl.graph import window
from cnndsl.graph.op import NoAttrs, Op, Reject, expect, sample
from cnndsl.graph.sizes import Size
from cnndsl.graph.types import TensorType


def identity_infer(a: NoAttrs, x: TensorType) -> tuple[TensorType]:
    return (x,)


def identity_reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    return (x,)


def flatten_infer(a: NoAttrs, x: TensorType) -> tuple[TensorType]:
    expect(x.rank >= 2, "a value with channels", x=x)
    size: Size = 1
    for s in x.shape[1:]:
        size = size * s
    return (x.with_shape(x.shape[0], size),)


def flatten_reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    size = 1
    for n in x.shape[1:]:
        size *= n
    return (x.reshape(x.shape[0], size),)


def flatten_vjp(g: Any, a: NoAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any]:
    return (g.view(gys[0], shape=xs[0].type.shape),)


@dataclass(frozen=True, slots=True)
class ReshapeAttrs:
    size: Any

    def __post_init__(self) -> None:
        given = self.size
        if not isinstance(given, (tuple, list)):
            help = "flatten makes one axis of all"
            raise error("E302", f"expected a size such as 7x7x64, but given is {given}", help=help)
        expect(1 <= len(given) <= 4, "a size of 1 to 4 numbers", "E304", given=given)
        expect(sum(isinstance(p, str) for p in given) <= 1, "at most one _", "E304", given=given)
        parts = tuple(p if isinstance(p, str) and p == "_" else window.whole(p, "a size") for p in given)
        object.__setattr__(self, "size", parts)


def reshape_sizes(a: ReshapeAttrs, x: TensorType) -> tuple[Size, ...]:
    """The sizes of one image, `_` replaced by what is left. Raises E303, E602."""
    total, rest = 1, 1
    for s in x.shape[1:]:
        expect(isinstance(s, int), "known sizes: bind them first", "E602", x=x)
        assert isinstance(s, int)
        total *= s
    for p in a.size:
        rest *= 1 if p == "_" else p
    whole = total % rest == 0 if "_" in a.size else total == rest
    said = "x".join(map(str, a.size))
    expect(
        whole, f"a size with the {counted(total, 'number')} that there {'is' if total == 1 else 'are'}", "E303", size=said, x=x
    )
    return tuple(total // rest if p == "_" else p for p in a.size)


def reshape_infer(a: ReshapeAttrs, x: TensorType) -> tuple[TensorType]:
    expect(x.rank >= 2, "a value with channels", x=x)
    return (x.with_shape(x.shape[0], *reshape_sizes(a, x)),)


def reshape_resolve(a: ReshapeAttrs, x: TensorType) -> ReshapeAttrs:
    return ReshapeAttrs(reshape_sizes(a, x))


def reshape_reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    return (x.reshape(x.shape[0], *a.size),)


@dataclass(frozen=True, slots=True)
class ViewAttrs:
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        window.check_whole(self.shape, "shape", len(self.shape))


def view_infer(a: ViewAttrs, x: TensorType) -> tuple[TensorType]:
    y = x.with_shape(*a.shape)
    expect(y.elements == x.elements, "a shape with as many numbers", x=x, shape=a.shape)
    return (y,)


def view_reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    return (x.reshape(a.shape),)


def view_vjp(g: Any, a: Any, xs: Any, ys: Any, gys: Any) -> tuple[Any]:
    return (g.view(gys[0], shape=xs[0].type.shape),)


@dataclass(frozen=True, slots=True)
class SpreadAttrs:
    rank: int

    def __post_init__(self) -> None:
        expect(2 <= window.whole(self.rank, "rank") <= 5, "a rank from 2 to 5", "E303", rank=self.rank)


def spread_infer(a: SpreadAttrs, x: TensorType) -> tuple[TensorType]:
    expect(x.rank == 2 <= a.rank, "a value without space", x=x, rank=a.rank)
    return (x.with_shape(x.shape[0], *(1,) * (a.rank - 2), x.channels),)


def spread_reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    return (x.reshape(x.shape[0], *(1,) * (a.rank - 2), x.shape[1]),)


IDENTITY = Op(
    "identity", NoAttrs, identity_infer, identity_reference, word=True,
    about="the value as it is",
    view=True,
    vjp=lambda g, a, xs, ys, gys: (gys[0],), samples=(sample((2, 3, 4)),),
)  # fmt: skip
FLATTEN = Op(
    "flatten", NoAttrs, flatten_infer, flatten_reference, word=True,
    about="all numbers of an image in one row, over height, width, channels",
    view=True, vjp=flatten_vjp,
    samples=(sample((2, 3, 4, 5)), sample((2, 7))), rejects=(Reject(("float32[4]",), "a value with channels"),),
)  # fmt: skip
RESHAPE = Op(
    "reshape", ReshapeAttrs, reshape_infer, reshape_reference, word=True,
    about="the same numbers in that order under another shape",
    view=True, resolve=reshape_resolve, vjp=view_vjp,
    words={"size": ("_",)},
    samples=(sample((2, 6), size=(3, 2)), sample((2, 3, 5, 4), size=(5, "_")), sample((2, 4, 3, 2), size=(24,))),
    rejects=(
        Reject(("float32[2,6]",), "the 6 numbers that there are", {"size": (5,)}),
        Reject(("float32[2,3,2]",), "the 6 numbers that there are", {"size": (4, "_")}),
        Reject(("float32[2]",), "a value with channels", {"size": (1,)}),
    ),
)  # fmt: skip
VIEW = Op(
    "view", ViewAttrs, view_infer, view_reference, view=True, vjp=view_vjp,
    samples=(sample((2, 6), shape=(2, 3, 2)),),
    rejects=(Reject(("float32[2,6]",), "as many numbers", {"shape": (2, 5)}),),
)  # fmt: skip
SPREAD = Op(
    "spread", SpreadAttrs, spread_infer, spread_reference, view=True, vjp=view_vjp,
    samples=(sample((2, 5), rank=4), sample((2, 5), rank=2)),
    rejects=(Reject(("float32[2,3,3,5]",), "a value without space", {"rank": 4}),),
)  # fmt: skip
