"""lrn: local response normalisation across channels, y_c = x_c / (k + alpha · Σ x_j²)^beta.

x, y (N, *space, C). The sum takes `size` channels, an odd number, with c in the middle; what lies outside
counts nothing. alpha is not divided by size (Caffe's, PyTorch's and ONNX's is). Krizhevsky, Sutskever,
Hinton 2012, section 3.3.

window_sum: y_c = Σ x_j over `before` channels before c, c itself, and `after` after it. What lrn and its gradient are made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnndsl.graph import window
from cnndsl.graph.op import Op, Reject, Work, expect, number, sample
from cnndsl.graph.types import TensorType

LARGEST = 9_999
"""Channels in a sum; more are more than any layer has."""


@dataclass(frozen=True, slots=True)
class LrnAttrs:
    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0

    def __post_init__(self) -> None:
        window.whole(self.size, "size")
        expect(self.size <= LARGEST, f"a size of at most {LARGEST}", "E303", size=self.size)
        expect(self.size % 2 == 1, "an odd size, with a channel in its middle", "E303", size=self.size)
        for name in ("alpha", "beta", "k"):
            number(getattr(self, name), name)
        expect(self.alpha >= 0, "alpha of at least 0", "E303", alpha=self.alpha)
        expect(self.k > 0, "k above 0", "E303", k=self.k)

    @property
    def reach(self) -> int:
        """Channels on each side."""
        return self.size // 2


@dataclass(frozen=True, slots=True)
class WindowSumAttrs:
    before: int
    after: int

    def __post_init__(self) -> None:
        for name in ("before", "after"):
            given = window.whole(getattr(self, name), name, 0)
            expect(given <= LARGEST, f"{name} of at most {LARGEST}", "E303", given=given)


def infer(a: Any, x: TensorType) -> tuple[TensorType]:
    expect(x.is_float and x.rank >= 2, "a float tensor with channels", x=x)
    return (x,)


def reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    reach, channels = a.size // 2, x.shape[-1]
    wide = xp.pad(x * x, [(0, 0)] * (len(x.shape) - 1) + [(reach, reach)])
    total = wide[..., :channels]
    for j in range(1, a.size):
        total = total + wide[..., j : j + channels]
    return (x / (a.k + a.alpha * total) ** a.beta,)


def vjp(g: Any, a: LrnAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any]:
    """gx = gy · d^−β − 2αβ · x · Σ gy · x · d^(−β − 1), d = k + α Σ x², the sum over the channels whose windows hold c."""
    (x,), (gy,) = xs, gys
    k, alpha, beta = float(a.k), float(a.alpha), float(a.beta)
    squares = g.window_sum(g.pointwise(lambda e, v: v * v, x), before=a.reach, after=a.reach)
    inner = g.pointwise(lambda e, d, v, s: d * v * e.exp((-beta - 1) * e.log(k + alpha * s)), gy, x, squares)
    total = g.window_sum(inner, before=a.reach, after=a.reach)
    rule = lambda e, d, v, s, t: d * e.exp(-beta * e.log(k + alpha * s)) - (2 * alpha * beta) * v * t  # noqa: E731
    return (g.pointwise(rule, gy, x, squares, total),)


def sum_reference(xp: Any, a: Any, x: Any) -> tuple[Any]:
    channels = x.shape[-1]
    wide = xp.pad(x, [(0, 0)] * (len(x.shape) - 1) + [(a.before, a.after)])
    total = wide[..., :channels].copy()
    for j in range(1, a.before + a.after + 1):
        total += wide[..., j : j + channels]
    return (total,)


LRN = Op(
    "lrn", LrnAttrs, infer, reference, word=True, vjp=vjp,
    work=lambda a, x: Work(operations=(a.size + 6) * x.elements),
    samples=(
        sample((2, 3, 4, 7)), sample((2, 3, 4, 7), size=3, alpha=0.5, beta=0.5, k=1), sample((2, 5, 3), size=9, alpha=0.1),
        sample((3, 6), size=1, alpha=1, k=0.5),
    ),
    rejects=(Reject(("float32[4]",), "a float tensor with channels"), Reject(("float32[2,4]",), "an odd size", {"size": 4})),
)  # fmt: skip
WINDOW_SUM = Op(
    "window_sum", WindowSumAttrs, infer, sum_reference,
    vjp=lambda g, a, xs, ys, gys: (g.window_sum(gys[0], before=a.after, after=a.before),),
    work=lambda a, x: Work(operations=(a.before + a.after) * x.elements),
    samples=(sample((2, 3, 4, 7), before=2, after=2), sample((2, 5), before=1, after=2), sample((2, 3), before=4, after=0)),
    rejects=(Reject(("float32[4]",), "a float tensor with channels", {"before": 1, "after": 1}),),
)  # fmt: skip
