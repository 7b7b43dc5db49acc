"""conv_transpose: the gradient of a convolution by its input, as a layer (also deconvolution, fractional stride).

y[n, h, f] = b[f] + Σ_{i, m, c : i·stride + m·dilation − pad = h} x[n, i, c] · w[m, f, c]

x (N, *space, C); weight (*kernel, filters / groups, C), that of the convolution it transposes, which goes from `filters`
channels to C. y has the size of that convolution's input: per axis, with r = dilation·(k − 1) + 1, (n − 1)·stride + r
for `valid`, n·stride for `same`, (n − 1)·stride + r − begin − end for numbers; and `output_pad` rows more at the end,
where several sizes have the same convolution (fewer than the stride). Dumoulin, Visin 2016; Zeiler et al. 2010.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from cnndsl.graph import window
from cnndsl.graph.op import Op, Reject, WeightSpec, Work, expect, sample, truth
from cnndsl.graph.sizes import may_reach
from cnndsl.graph.types import TensorType
from cnndsl.ops.conv import check_init, fan_of
from cnndsl.random import INITS


@dataclass(frozen=True, slots=True)
class ConvTransposeAttrs:
    filters: int
    kernel: tuple[int, ...]
    stride: Any = 1
    pad: Any = "valid"
    dilation: Any = 1
    groups: int = 1
    bias: bool = True
    output_pad: Any = 0
    flip: bool = False
    init: str = "he_normal"

    def __post_init__(self) -> None:
        window.whole(self.filters, "filters")
        window.whole(self.groups, "groups")
        object.__setattr__(self, "kernel", window.kernel(self.kernel, "kernel"))
        object.__setattr__(self, "stride", window.per_axis(self.stride, "stride"))
        object.__setattr__(self, "dilation", window.per_axis(self.dilation, "dilation"))
        object.__setattr__(self, "output_pad", window.per_axis(self.output_pad, "output_pad", 0))
        object.__setattr__(self, "pad", window.clean_pad(self.pad))
        truth(self.bias, "bias")
        truth(self.flip, "flip")
        check_init(self.init)

    @property
    def rank(self) -> int:
        return len(self.kernel)

    @property
    def strides(self) -> tuple[int, ...]:
        return window.spread(self.stride, self.rank, "stride")

    @property
    def dilations(self) -> tuple[int, ...]:
        return window.spread(self.dilation, self.rank, "dilation")

    @property
    def reaches(self) -> tuple[int, ...]:
        """The sizes of the dilated kernel."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilations, strict=True))


def pads(a: ConvTransposeAttrs) -> tuple[tuple[int, int], ...]:
    """(begin, end) an axis. `same`: those of the convolution of n·stride rows; the output is cut or filled to that."""
    if a.pad == "same":
        total = [max(r - s, 0) for r, s in zip(a.reaches, a.strides, strict=True)]
        return tuple((t // 2, t - t // 2) for t in total)
    return window.pads(a.pad, (1,) * a.rank, a.kernel, a.strides, a.dilations)  # type: ignore[return-value]


def more(a: ConvTransposeAttrs) -> tuple[int, ...]:
    """Rows more at the end. With `same` and a kernel below its stride, those that no window reaches."""
    extra = window.spread(a.output_pad, a.rank, "output_pad")
    if a.pad == "same":
        expect(not any(extra), "no output_pad with pad = same", "E303", output_pad=a.output_pad)
        return tuple(max(s - r, 0) for r, s in zip(a.reaches, a.strides, strict=True))
    for e, s in zip(extra, a.strides, strict=True):
        expect(e < s or e == 0, "an output_pad below the stride", "E303", output_pad=e, stride=s)
    return extra


def out_space(a: ConvTransposeAttrs, x: TensorType) -> tuple[Any, ...]:
    found: list[Any] = []
    for n, s, r, (b, e), extra in zip(x.space, a.strides, a.reaches, pads(a), more(a), strict=True):
        size: Any = (n - 1) * s + r - b - e + extra
        expect(may_reach(size, 1), "padding that leaves a row of the output", "E307", pad=(b, e), window=r, input=n)
        found.append(size)
    return tuple(found)


def check_input(a: ConvTransposeAttrs, x: TensorType) -> None:
    expect(x.is_float, "a float tensor", x=x)
    window.one_number_an_axis(a.kernel, "kernel", x)
    expect(isinstance(x.channels, int), "a known number of channels", "E602", channels=x.channels)
    expect(x.channels % a.groups == 0 and a.filters % a.groups == 0, "groups that divide channels and filters", "E308",
           groups=a.groups, channels=x.channels, filters=a.filters)  # fmt: skip


def weights(a: ConvTransposeAttrs, x: TensorType) -> tuple[WeightSpec, ...]:
    """An output is reached by about kernel / stride positions of the input."""
    check_input(a, x)
    channels = x.channels
    assert isinstance(channels, int)
    taps, steps = 1, 1
    for k, s in zip(a.kernel, a.strides, strict=True):
        taps, steps = taps * k, steps * s
    fan = fan_of(a.init, max(1, taps * channels // (a.groups * steps)), max(1, taps * a.filters // a.groups))
    w = WeightSpec("weight", (*a.kernel, a.filters // a.groups, channels), a.init, fan)
    return (w, WeightSpec("bias", (a.filters,), decay=False)) if a.bias else (w,)


def resolve(a: ConvTransposeAttrs, x: TensorType, *rest: TensorType) -> ConvTransposeAttrs:
    """Pads as numbers. What `same` fills at the end becomes `output_pad`."""
    return replace(a, stride=a.strides, dilation=a.dilations, pad=pads(a), output_pad=more(a))


def infer(a: ConvTransposeAttrs, x: TensorType, w: TensorType, b: TensorType | None = None) -> tuple[TensorType]:
    check_input(a, x)
    wanted = (*a.kernel, a.filters // a.groups, x.channels)
    expect(w.shape == wanted, f"a weight of shape {wanted}", "E309", weight=w)
    expect((b is not None) == a.bias, "a bias exactly where bias = true", "E309", bias=a.bias)
    if b is not None:
        expect(b.shape == (a.filters,), f"a bias of shape ({a.filters},)", "E309", bias=b)
    return (x.with_shape(x.shape[0], *out_space(a, x), a.filters),)


def reference(xp: Any, a: Any, x: Any, w: Any, b: Any = None) -> tuple[Any]:
    rank, outs, ins = len(a.kernel), a.filters // a.groups, x.shape[-1] // a.groups
    if a.flip:
        w = w[(slice(None, None, -1),) * rank]
    taps: Any = [()]
    for k in a.kernel:
        taps = [(*t, m) for t in taps for m in range(k)]
    axes = list(zip(x.shape[1:-1], a.kernel, a.stride, a.dilation, a.output_pad))
    wide = [(n - 1) * s + d * (k - 1) + 1 + extra for n, k, s, d, extra in axes]
    y = xp.zeros((x.shape[0], *wide, a.filters), x.dtype)
    for g in range(a.groups):
        part = x[..., g * ins : (g + 1) * ins]
        for tap in taps:
            cut = [slice(m * d, m * d + (n - 1) * s + 1, s) for m, (n, k, s, d, extra) in zip(tap, axes)]
            at = (slice(None), *cut, slice(g * outs, (g + 1) * outs))
            y[at] += xp.matmul(part, w[tap][:, g * ins : (g + 1) * ins].T)
    y = y[(slice(None), *(slice(begin, n - end) for n, (begin, end) in zip(wide, a.pad)))]
    return (y.copy() if b is None else y + b,)


def vjp(g: Any, a: ConvTransposeAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any, ...]:
    """The transposed convolution's gradients are the convolution, and the convolution's gradient by its weight."""
    b, x = resolve(a, xs[0].type), xs[0].type
    keys = {"kernel": b.kernel, "stride": b.stride, "dilation": b.dilation, "groups": b.groups, "flip": b.flip}
    # A negative end: rows of `output_pad` that no window sees are left out by the convolution's own rounding.
    gx = g.conv(gys[0], xs[1], filters=x.channels, pad=b.pad, bias=False, **keys)
    gw = g.conv_weight_grad(gys[0], xs[0], pad=b.pad, sizes=ys[0].type.shape[1:], **keys)
    return (gx, gw, g.reduce_sum(gys[0], axes=tuple(range(a.rank + 1)))) if a.bias else (gx, gw)


def multiply_adds(a: ConvTransposeAttrs, x: TensorType, w: TensorType, *rest: TensorType) -> Work:
    """As many as the convolution: places of the input · kernel · C · filters / groups."""
    return Work(multiply_adds=x.with_shape(*x.shape[:-1], 1).elements * w.elements)


CONV_TRANSPOSE = Op(
    "conv_transpose",
    ConvTransposeAttrs,
    infer,
    reference,
    word=True,
    about="the gradient of a convolution by its input, as a layer (deconvolution)",
    weights=weights,
    resolve=resolve,
    vjp=vjp,
    work=multiply_adds,
    words={"pad": ("valid", "same", "same_symmetric"), "init": INITS},
    samples=(
        sample((3, 4, 3, 3), (2, 2, 5, 3), (5,), filters=5, kernel=(2, 2), stride=2),
        sample((2, 4, 5, 3), (3, 3, 4, 3), filters=4, kernel=(3, 3), stride=2, pad="same", bias=False),
        sample((1, 5, 4, 4), (4, 3, 3, 4), (6,), filters=6, kernel=(4, 3), stride=(2, 1), pad=((1, 2), (0, 1)), groups=2),
        sample((2, 4, 4, 2), (3, 3, 2, 2), (2,), filters=2, kernel=(3, 3), stride=2, pad=1, output_pad=1),
        sample((2, 5, 5, 2), (3, 3, 3, 2), filters=3, kernel=(3, 3), dilation=2, pad=1, bias=False, flip=True),
        sample((2, 3, 3, 2), (1, 2, 3, 2), (3,), filters=3, kernel=(1, 2), stride=3, pad="same"),
        sample((2, 5, 3), (3, 4, 3), (4,), filters=4, kernel=(3,), stride=2, pad="same_symmetric"),
        sample((1, 2, 3, 2, 2), (2, 3, 2, 3, 2), (3,), filters=3, kernel=(2, 3, 2), stride=(1, 2, 2)),
    ),
    rejects=(
        Reject(("float32[2,4,4,3]", "float32[2,2,3,5]"), "a weight of shape", {"filters": 5, "kernel": (2, 2), "bias": False}),
        Reject(
            ("float32[2,4,4,3]", "float32[2,2,5,3]"), "below the stride",
            {"filters": 5, "kernel": (2, 2), "bias": False, "stride": 2, "output_pad": 2},
        ),
        Reject(
            ("float32[2,1,1,3]", "float32[2,2,5,3]"), "leaves a row",
            {"filters": 5, "kernel": (2, 2), "bias": False, "pad": 1},
        ),
        Reject(("int32[2,4,4,3]", "float32[2,2,5,3]"), "a float tensor", {"filters": 5, "kernel": (2, 2), "bias": False}),
    ),
)  # fmt: skip
