"""conv: cross-correlation over all input channels, in 1, 2 or 3 dimensions.

y[n, i, o] = b[o] + Σ_{m, c} x[n, i·stride + m·dilation − pad, c] · w[m, c, o]   (i, m run over the spatial axes)

x (N, *space, C); weight (*kernel, C / groups, F); bias (F,); y (N, *out, F). With groups > 1, output channels
[g·F/groups, (g+1)·F/groups) see input channels [g·C/groups, (g+1)·C/groups). `flip` is the true convolution: the
kernel is read backwards. `pad_mode`: zero, reflect, edge. LeCun et al. 1998; Krizhevsky et al. 2012 (groups).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from cnndsl.graph import window
from cnndsl.graph.op import Op, Reject, WeightSpec, Work, expect, sample, truth
from cnndsl.graph.types import TensorType
from cnndsl.random import INITS

PAD_MODES = ("zero", "reflect", "edge")


@dataclass(frozen=True, slots=True)
class ConvAttrs:
    filters: int
    kernel: tuple[int, ...]
    stride: Any = 1
    pad: Any = "valid"
    dilation: Any = 1
    groups: int = 1
    bias: bool = True
    pad_mode: str = "zero"
    flip: bool = False
    init: str = "he_normal"

    def __post_init__(self) -> None:
        window.whole(self.filters, "filters")
        window.whole(self.groups, "groups")
        object.__setattr__(self, "kernel", window.kernel(self.kernel, "kernel"))
        object.__setattr__(self, "stride", window.per_axis(self.stride, "stride"))
        object.__setattr__(self, "dilation", window.per_axis(self.dilation, "dilation"))
        object.__setattr__(self, "pad", window.clean_pad(self.pad))
        expect(self.pad_mode in PAD_MODES, "pad_mode to be zero, reflect or edge", "E305", pad_mode=self.pad_mode)
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


def resolve(a: ConvAttrs, x: TensorType, *rest: TensorType) -> ConvAttrs:
    pads = window.pads(a.pad, x.space, a.kernel, a.strides, a.dilations)
    return replace(a, stride=a.strides, dilation=a.dilations, pad=pads)


def weights(a: ConvAttrs, x: TensorType) -> tuple[WeightSpec, ...]:
    check_input(a, x)
    channels = x.channels
    assert isinstance(channels, int)
    taps = 1
    for k in a.kernel:
        taps *= k
    fan = fan_of(a.init, taps * channels // a.groups, taps * a.filters // a.groups)
    w = WeightSpec("weight", (*a.kernel, channels // a.groups, a.filters), a.init, fan)
    return (w, WeightSpec("bias", (a.filters,), decay=False)) if a.bias else (w,)


def check_init(init: Any) -> None:
    expect(init in INITS, f"init to be one of {', '.join(INITS)}", "E305", init=init)


def fan_of(init: str, inputs: int, outputs: int) -> int:
    """What an initialisation divides its variance by: `inputs` of one output, with `outputs` of one input for glorot."""
    return inputs + outputs if init.startswith("glorot") else inputs


def check_input(a: ConvAttrs, x: TensorType) -> None:
    expect(x.is_float, "a float tensor", x=x)
    window.one_number_an_axis(a.kernel, "kernel", x)
    expect(isinstance(x.channels, int), "a known number of channels", "E602", channels=x.channels)
    expect(x.channels % a.groups == 0 and a.filters % a.groups == 0, "groups that divide channels and filters", "E308",
           groups=a.groups, channels=x.channels, filters=a.filters)  # fmt: skip


def out_space(a: ConvAttrs, x: TensorType) -> tuple[Any, ...]:
    pads = window.pads(a.pad, x.space, a.kernel, a.strides, a.dilations)
    if a.pad_mode == "reflect":
        window.check_reflection(x.space, pads)
    return window.out_sizes(x.space, a.kernel, a.strides, a.dilations, pads)


def infer(a: ConvAttrs, x: TensorType, w: TensorType, b: TensorType | None = None) -> tuple[TensorType]:
    check_input(a, x)
    wanted = (*a.kernel, x.channels // a.groups, a.filters)
    expect(w.shape == wanted, f"a weight of shape {wanted}", "E309", weight=w)
    expect((b is not None) == a.bias, "a bias exactly where bias = true", "E309", bias=a.bias)
    if b is not None:
        expect(b.shape == (a.filters,), f"a bias of shape ({a.filters},)", "E309", bias=b)
    return (x.with_shape(x.shape[0], *out_space(a, x), a.filters),)


def reference(xp: Any, a: Any, x: Any, w: Any, b: Any = None) -> tuple[Any]:
    rank, groups, filters = len(a.kernel), a.groups, w.shape[-1]
    if a.flip:
        w = w[(slice(None, None, -1),) * rank]
    mode = {"zero": "constant", "reflect": "reflect", "edge": "edge"}[a.pad_mode]
    x = xp.pad(x, ((0, 0), *a.pad, (0, 0)), mode=mode)
    out = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(x.shape[1:-1], a.kernel, a.stride, a.dilation)]
    parts = []
    for g in range(groups):
        xg = x[..., g * w.shape[-2] : (g + 1) * w.shape[-2]]
        wg = w[..., g * (filters // groups) : (g + 1) * (filters // groups)]
        total = 0
        taps: Any = [()]
        for k in a.kernel:
            taps = [(*t, m) for t in taps for m in range(k)]
        for tap in taps:
            cut = [slice(m * d, m * d + (o - 1) * s + 1, s) for m, d, o, s in zip(tap, a.dilation, out, a.stride)]
            total = total + xp.matmul(xg[(slice(None), *cut)], wg[tap])
        parts.append(total)
    y = xp.concatenate(parts, axis=-1)
    return (y if b is None else y + b,)


def multiply_adds(a: ConvAttrs, x: TensorType, w: TensorType, *rest: TensorType) -> Work:
    out = x.with_shape(x.shape[0], *out_space(a, x), 1)
    return Work(multiply_adds=out.elements * w.elements)


def vjp(g: Any, a: ConvAttrs, xs: Any, ys: Any, gys: Any) -> tuple[Any, ...]:
    """Other pad modes than zero are differentiated as a `valid` convolution of a `pad`."""
    x, w, b = xs[0], xs[1], resolve(a, xs[0].type)
    apart = b.pad if a.pad_mode != "zero" and any(n for pair in b.pad for n in pair) else ()
    if apart:
        x = g.pad(x, amount=b.pad, mode=a.pad_mode)
        b = replace(b, pad=((0, 0),) * a.rank)
    keys = {f: getattr(b, f) for f in ("kernel", "stride", "pad", "dilation", "groups", "flip")}
    keys["sizes"] = tuple(x.type.shape[1:])
    gx = g.conv_input_grad(gys[0], w, **keys)
    if apart:
        gx = g.pad_grad(gx, amount=apart, channels=(0, 0), mode=a.pad_mode, sizes=xs[0].type.shape[1:])
    gw = g.conv_weight_grad(x, gys[0], **keys)
    return (gx, gw, g.reduce_sum(gys[0], axes=tuple(range(a.rank + 1)))) if a.bias else (gx, gw)


@dataclass(frozen=True, slots=True)
class ConvGradAttrs:
    """Of conv's two gradients: everything resolved, zero padding, and `sizes`, the input's (*space, C)."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int
    flip: bool
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        rank = window.check_resolved(self.kernel, self.stride, self.pad, self.dilation)
        window.check_whole(self.sizes, "sizes", rank + 1)
        window.whole(self.groups, "groups")
        truth(self.flip, "flip")
        expect(self.sizes[-1] % self.groups == 0, "groups that divide the channels", "E308",
               groups=self.groups, channels=self.sizes[-1])  # fmt: skip


def check_grad(a: ConvGradAttrs, gy: TensorType) -> None:
    """Refuse a gradient that has not the shape of what the convolution gives."""
    out = window.out_sizes(a.sizes[:-1], a.kernel, a.stride, a.dilation, a.pad)
    good = gy.is_float and gy.rank == len(out) + 2 and gy.space == out and gy.channels % a.groups == 0
    expect(good, "the gradient of what the convolution gives", gy=gy, space=out, groups=a.groups)


def input_grad_infer(a: ConvGradAttrs, gy: TensorType, w: TensorType) -> tuple[TensorType]:
    check_grad(a, gy)
    wanted = (*a.kernel, a.sizes[-1] // a.groups, gy.channels)
    expect(w.dtype == gy.dtype and w.shape == wanted, f"a weight of shape {wanted}", "E309", weight=w)
    return (gy.with_shape(gy.shape[0], *a.sizes),)


def input_grad_reference(xp: Any, a: Any, gy: Any, w: Any) -> tuple[Any]:
    rank, channels, filters = len(a.kernel), w.shape[-2], w.shape[-1] // a.groups
    if a.flip:
        w = w[(slice(None, None, -1),) * rank]
    taps: Any = [()]
    for k in a.kernel:
        taps = [(*t, m) for t in taps for m in range(k)]
    gx = xp.zeros((gy.shape[0], *(n + b + e for n, (b, e) in zip(a.sizes, a.pad)), a.sizes[-1]), gy.dtype)
    for g in range(a.groups):
        part = gy[..., g * filters : (g + 1) * filters]
        for tap in taps:
            cut = [slice(m * d, m * d + (o - 1) * s + 1, s) for m, d, o, s in zip(tap, a.dilation, gy.shape[1:], a.stride)]
            to = (slice(None), *cut, slice(g * channels, (g + 1) * channels))
            gx[to] += xp.matmul(part, w[tap][:, g * filters : (g + 1) * filters].T)
    inner = tuple(slice(b, b + n) for n, (b, e) in zip(a.sizes, a.pad))
    return (gx[(slice(None), *inner)].copy(),)


def weight_grad_infer(a: ConvGradAttrs, x: TensorType, gy: TensorType) -> tuple[TensorType]:
    check_grad(a, gy)
    good = x.dtype == gy.dtype and x.shape[0] == gy.shape[0] and x.shape[1:] == a.sizes
    expect(good, "the input it was made for", x=x, gy=gy)
    return (x.with_shape(*a.kernel, a.sizes[-1] // a.groups, gy.channels),)


def weight_grad_reference(xp: Any, a: Any, x: Any, gy: Any) -> tuple[Any]:
    rank, channels, filters = len(a.kernel), a.sizes[-1] // a.groups, gy.shape[-1] // a.groups
    x = xp.pad(x, ((0, 0), *a.pad, (0, 0)))
    gw = xp.zeros((*a.kernel, channels, gy.shape[-1]), gy.dtype)
    taps: Any = [()]
    for k in a.kernel:
        taps = [(*t, m) for t in taps for m in range(k)]
    for tap in taps:
        cut = [slice(m * d, m * d + (o - 1) * s + 1, s) for m, d, o, s in zip(tap, a.dilation, gy.shape[1:], a.stride)]
        for g in range(a.groups):
            xg = x[(slice(None), *cut, slice(g * channels, (g + 1) * channels))].reshape(-1, channels)
            part = gy[..., g * filters : (g + 1) * filters].reshape(-1, filters)
            gw[(*tap, slice(None), slice(g * filters, (g + 1) * filters))] = xp.matmul(xg.T, part)
    return (gw[(slice(None, None, -1),) * rank].copy() if a.flip else gw,)


def grad_work(a: ConvGradAttrs, gy: TensorType) -> Work:
    """Each gradient costs what the convolution does: outputs · kernel · C / groups."""
    taps = 1
    for k in a.kernel:
        taps *= k
    return Work(multiply_adds=gy.elements * taps * (a.sizes[-1] // a.groups))


CONV = Op(
    "conv",
    ConvAttrs,
    infer,
    reference,
    word=True,
    weights=weights,
    resolve=resolve,
    vjp=vjp,
    work=multiply_adds,
    window=lambda a: ([d * (k - 1) + 1 for k, d in zip(a.kernel, a.dilations, strict=True)], a.strides),
    words={"pad_mode": PAD_MODES, "pad": ("valid", "same", "same_symmetric"), "init": INITS},
    samples=(
        sample((2, 7, 6, 3), (3, 3, 3, 4), (4,), filters=4, kernel=(3, 3)),
        sample((2, 7, 7, 3), (3, 3, 3, 4), filters=4, kernel=(3, 3), stride=2, pad="same", bias=False),
        sample((1, 8, 9, 4), (5, 3, 2, 6), (6,), filters=6, kernel=(5, 3), stride=(2, 1), pad=((1, 2), (0, 1)), groups=2),
        sample((2, 9, 9, 2), (3, 3, 2, 2), (2,), filters=2, kernel=(3, 3), dilation=2, pad="same_symmetric"),
        sample((2, 5, 5, 3), (1, 1, 3, 8), (8,), filters=8, kernel=(1, 1)),
        sample((2, 5, 5, 3), (1, 1, 3, 8), filters=8, kernel=(1, 1), stride=2, bias=False),
        sample((2, 6, 6, 2), (3, 3, 2, 3), (3,), filters=3, kernel=(3, 3), pad=1, pad_mode="reflect"),
        sample((2, 6, 6, 2), (3, 3, 2, 3), (3,), filters=3, kernel=(3, 3), pad=1, pad_mode="edge", flip=True),
        sample((2, 6, 6, 2), (1, 1, 2, 3), (3,), filters=3, kernel=(1, 1), pad="same", pad_mode="reflect"),
        sample((2, 9, 3), (3, 3, 4), (4,), filters=4, kernel=(3,), pad=1),
        sample((1, 4, 5, 4, 2), (2, 3, 2, 2, 3), (3,), filters=3, kernel=(2, 3, 2), stride=(1, 2, 1), pad="same"),
    ),
    rejects=(
        Reject(("float32[2,7,7,3]", "float32[3,3,4,4]"), "a weight of shape", {"filters": 4, "kernel": (3, 3), "bias": False}),
        Reject(
            ("float32[2,2,2,3]", "float32[3,3,3,4]"), "fits its padded input", {"filters": 4, "kernel": (3, 3), "bias": False}
        ),
        Reject(
            ("float32[2,7,7,3]", "float32[3,3,1,4]"),
            "groups that divide",
            {"filters": 4, "kernel": (3, 3), "groups": 2, "bias": False},
        ),
        Reject(("int32[2,7,7,3]", "float32[3,3,3,4]"), "a float tensor", {"filters": 4, "kernel": (3, 3), "bias": False}),
    ),
)

_GRAD_REASON = "it is a gradient itself; second derivatives are not offered"
_GRAD_SAMPLES: tuple[dict[str, Any], ...] = (
    {"kernel": (3, 3), "stride": (1, 1), "pad": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1},
    {"kernel": (3, 3), "stride": (2, 2), "pad": ((0, 1), (0, 1)), "dilation": (1, 1), "groups": 2},
    {"kernel": (1, 1), "stride": (1, 1), "pad": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1},
    {"kernel": (1, 1), "stride": (2, 2), "pad": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1},
    {"kernel": (3, 2), "stride": (1, 2), "pad": ((2, 2), (0, 1)), "dilation": (2, 1), "groups": 1, "flip": True},
    {"kernel": (2, 2), "stride": (1, 1), "pad": ((1, 2), (2, 0)), "dilation": (1, 1), "groups": 1},
    {"kernel": (2, 3), "stride": (1, 1), "pad": ((1, 0), (2, 1)), "dilation": (1, 2), "groups": 1},
)


def _grad_samples(which: str) -> tuple[Any, ...]:
    found = []
    for keys in _GRAD_SAMPLES:
        a: dict[str, Any] = {"flip": False, "sizes": (7, 6, 4)} | keys
        space = window.out_sizes((7, 6), a["kernel"], a["stride"], a["dilation"], a["pad"])
        gy, other = (2, *space, 6), ((*a["kernel"], 4 // a["groups"], 6) if which == "input" else (2, 7, 6, 4))
        found.append(sample(gy, other, **a) if which == "input" else sample(other, gy, **a))
    return tuple(found)


CONV_INPUT_GRAD = Op(
    "conv_input_grad", ConvGradAttrs, input_grad_infer, input_grad_reference, inputs=2,
    work=lambda a, gy, w: grad_work(a, gy),
    no_gradient=_GRAD_REASON, samples=_grad_samples("input"),
)  # fmt: skip
CONV_WEIGHT_GRAD = Op(
    "conv_weight_grad", ConvGradAttrs, weight_grad_infer, weight_grad_reference, inputs=2, batch="sum",
    work=lambda a, x, gy: grad_work(a, gy),
    no_gradient=_GRAD_REASON,
    samples=(*_grad_samples("weight"), sample((1, 8, 6, 4), (1, 8, 6, 5), **_GRAD_SAMPLES[0], flip=False, sizes=(8, 6, 4))),
)  # fmt: skip
