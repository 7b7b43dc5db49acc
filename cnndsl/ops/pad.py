"""pad: widen a value in space and in channels; its gradient crops, or folds the reflected rows back.

x (N, *space, C). amount: one number for all axes, one an axis, or (begin, end) an axis; channels: (before, after),
filled with zeros. mode: zero, reflect (the edge itself not repeated), edge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from cnndsl.graph import window
from cnndsl.graph.op import Op, Reject, expect, sample
from cnndsl.graph.types import TensorType

MODES = ("zero", "reflect", "edge")


@dataclass(frozen=True, slots=True)
class PadAttrs:
    amount: Any = 0
    channels: tuple[int, int] = (0, 0)
    mode: str = "zero"

    def __post_init__(self) -> None:
        object.__setattr__(self, "amount", window.clean_pad(self.amount))
        expect(not isinstance(self.amount, str), "numbers of rows to pad", "E302", amount=self.amount)
        channels = window.per_axis(self.channels, "channels", 0)
        expect(isinstance(channels, tuple) and len(channels) == 2, "channels = [before, after]", "E304", channels=channels)
        object.__setattr__(self, "channels", channels)
        expect(self.mode in MODES, "mode to be zero, reflect or edge", "E305", mode=self.mode)


def amounts(a: Any, x: TensorType) -> tuple[tuple[int, int], ...]:
    rank = x.rank - 2
    return window.pads(a.amount, x.space, (1,) * rank, (1,) * rank, (1,) * rank)  # type: ignore[return-value]


def resolve(a: PadAttrs, x: TensorType) -> PadAttrs:
    return replace(a, amount=amounts(a, x))


def infer(a: PadAttrs, x: TensorType) -> tuple[TensorType]:
    expect(x.is_float and x.rank >= 2, "a float tensor with channels", x=x)
    pads = amounts(a, x)
    if a.mode == "reflect":
        window.check_reflection(x.space, pads)
    space = (n + b + e for n, (b, e) in zip(x.space, pads, strict=True))
    return (x.with_shape(x.shape[0], *space, x.channels + sum(a.channels)),)


def reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    mode = {"zero": "constant", "reflect": "reflect", "edge": "edge"}[a.mode]
    y = xp.pad(x, ((0, 0), *a.amount, (0, 0)), mode=mode)
    return (xp.pad(y, ((0, 0),) * (len(x.shape) - 1) + (tuple(a.channels),)),)


def vjp(g: Any, a: PadAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any]:
    x = xs[0].type
    return (g.pad_grad(gys[0], amount=amounts(a, x), channels=a.channels, mode=a.mode, sizes=x.shape[1:]),)


@dataclass(frozen=True, slots=True)
class PadGradAttrs:
    amount: tuple[tuple[int, int], ...]
    channels: tuple[int, int]
    mode: str
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        rank = len(self.sizes) - 1
        window.check_whole(self.sizes, "sizes", rank + 1)
        window.check_pairs(self.amount, "amount", rank)
        window.check_whole(self.channels, "channels", 2, 0)
        expect(self.mode in MODES, "mode to be zero, reflect or edge", "E305", mode=self.mode)


def grad_infer(a: PadGradAttrs, gy: TensorType) -> tuple[TensorType]:
    padded = infer(PadAttrs(a.amount, a.channels, a.mode), gy.with_shape(gy.shape[0], *a.sizes))[0] if gy.rank else None
    expect(gy == padded, "the gradient of what was padded", padded=padded, gy=gy)
    return (gy.with_shape(gy.shape[0], *a.sizes),)


def grad_reference(xp: Any, a: Any, gy: Any) -> tuple[Any]:
    before = a.channels[0]
    g = gy[..., before : before + a.sizes[-1]].copy()
    for axis in range(1, len(a.sizes)):
        begin, n = a.amount[axis - 1][0], a.sizes[axis - 1]
        rows = [slice(None)] * len(g.shape)
        rows[axis] = slice(begin, begin + n)
        inner = g[tuple(rows)].copy()
        for at in range(g.shape[axis]):
            k = at - begin
            if 0 <= k < n or a.mode == "zero":
                continue
            to = min(max(k, 0), n - 1) if a.mode == "edge" else (-k if k < 0 else 2 * (n - 1) - k)
            source, target = list(rows), list(rows)
            source[axis], target[axis] = slice(at, at + 1), slice(to, to + 1)
            inner[tuple(target)] += g[tuple(source)]
        g = inner
    return (g,)


PAD = Op(
    "pad",
    PadAttrs,
    infer,
    reference,
    word=True,
    about="widen a value in space and in channels",
    resolve=resolve,
    vjp=vjp,
    words={"mode": MODES},
    samples=(
        sample((2, 4, 5, 3), amount=1),
        sample((2, 4, 5, 3), amount=((1, 2), (0, 3)), channels=(1, 2)),
        sample((2, 4, 5, 3), amount=2, mode="reflect"),
        sample((2, 4, 5, 3), amount=2, mode="edge"),
        sample((2, 4, 3), amount=((0, 1),)),
        sample((1, 3, 4, 3, 2), amount=1),
    ),
    rejects=(
        Reject(("float32[2,3,3,1]",), "smaller than the input", {"amount": 3, "mode": "reflect"}),
        Reject(("int32[2,3,3,1]",), "a float tensor", {"amount": 3}),
    ),
)
PAD_GRAD = Op(
    "pad_grad",
    PadGradAttrs,
    grad_infer,
    grad_reference,
    no_gradient="it is a gradient itself; second derivatives are not offered",
    samples=(
        sample((2, 8, 9, 3), amount=((2, 2), (2, 2)), channels=(0, 0), mode="reflect", sizes=(4, 5, 3)),
        sample((2, 6, 5, 4), amount=((1, 1), (0, 0)), channels=(1, 0), mode="edge", sizes=(4, 5, 3)),
    ),
    rejects=(),
)
