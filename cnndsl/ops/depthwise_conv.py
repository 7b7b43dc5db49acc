"""depthwise_conv: a convolution of each channel alone, a word for `conv` with groups = channels.

`multiplier` filters a channel: filters [c·multiplier, (c + 1)·multiplier) see channel c. Weight (*kernel, 1, C·multiplier).
Graphs hold the `conv`. Sifre 2014; Howard et al. 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnndsl.graph import window
from cnndsl.graph.op import Op, Reject, WeightSpec, expect, sample
from cnndsl.graph.types import TensorType
from cnndsl.ops import conv
from cnndsl.random import INITS


@dataclass(frozen=True, slots=True)
class DepthwiseConvAttrs:
    kernel: tuple[int, ...]
    stride: Any = 1
    pad: Any = "valid"
    dilation: Any = 1
    multiplier: int = 1
    bias: bool = True
    pad_mode: str = "zero"
    flip: bool = False
    init: str = "he_normal"

    def __post_init__(self) -> None:
        window.whole(self.multiplier, "multiplier")
        found = self.over(1)  # which checks them all
        for name in ("kernel", "stride", "pad", "dilation"):
            object.__setattr__(self, name, getattr(found, name))

    def over(self, channels: int) -> conv.ConvAttrs:
        """The convolution of that many channels."""
        return conv.ConvAttrs(
            channels * self.multiplier, self.kernel, self.stride, self.pad, self.dilation, channels, self.bias,
            self.pad_mode, self.flip, self.init,
        )  # fmt: skip


def as_conv(a: Any, x: TensorType) -> conv.ConvAttrs:
    """The attributes of the convolution that this is over `x`."""
    if isinstance(a, conv.ConvAttrs):
        return a
    expect(x.rank >= 3 and isinstance(x.channels, int), "a value with space and a known number of channels", "E304", x=x)
    assert isinstance(x.channels, int)
    found: conv.ConvAttrs = a.over(x.channels)
    return found


def weights(a: DepthwiseConvAttrs, x: TensorType) -> tuple[WeightSpec, ...]:
    return conv.weights(as_conv(a, x), x)


DEPTHWISE_CONV = Op(
    "depthwise_conv",
    DepthwiseConvAttrs,
    lambda a, x, *rest: conv.infer(as_conv(a, x), x, *rest),
    conv.reference,
    word=True,
    weights=weights,
    becomes=lambda a, x, *rest: (conv.CONV, as_conv(a, x)),
    resolve=lambda a, x, *rest: conv.resolve(as_conv(a, x), x),
    vjp=lambda g, a, xs, ys, gys: conv.vjp(g, as_conv(a, xs[0].type), xs, ys, gys),
    work=lambda a, x, w, *rest: conv.multiply_adds(as_conv(a, x), x, w),
    window=lambda a: ([d * (k - 1) + 1 for k, d in zip(a.kernel, a.over(1).dilations, strict=True)], a.over(1).strides),
    words={"pad_mode": conv.PAD_MODES, "pad": ("valid", "same", "same_symmetric"), "init": INITS},
    samples=(
        sample((2, 7, 6, 3), (3, 3, 1, 3), (3,), kernel=(3, 3), pad="same"),
        sample((2, 7, 7, 3), (3, 3, 1, 6), kernel=(3, 3), stride=2, multiplier=2, bias=False),
        sample((1, 9, 8, 2), (5, 3, 1, 2), (2,), kernel=(5, 3), dilation=(1, 2), pad="same_symmetric"),
        sample((2, 9, 3), (3, 1, 3), (3,), kernel=(3,), pad=1, flip=True),
        sample((1, 4, 5, 4, 2), (2, 3, 2, 1, 2), kernel=(2, 3, 2), bias=False),
        sample((1, 9, 8, 2), (3, 3, 1, 2), kernel=(3, 3), stride=(2, 1), bias=False),
    ),
    rejects=(
        Reject(("float32[2,9]", "float32[3,1,9]"), "a value with space", {"kernel": (3,), "bias": False}),
        Reject(("float32[2,9,9,2]", "float32[3,3,2,2]"), "a weight of shape", {"kernel": (3, 3), "bias": False}),
    ),
)
