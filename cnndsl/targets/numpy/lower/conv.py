"""Convolutions: the algorithm, its blocks, and the call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cnndsl.graph.graph import Node
from cnndsl.graph.target import Choice
from cnndsl.targets.numpy import cost
from cnndsl.targets.numpy.kernels import conv, depthwise
from cnndsl.targets.numpy.lower.call import Call, Lowering, keys
from cnndsl.targets.numpy.tuning import measured, shortlist


def is_planar(node: Node) -> bool:
    a = node.attrs
    return len(a.kernel) == 2 and getattr(a, "pad_mode", "zero") == "zero" and node.outputs[0].type.dtype == "float32"


def windows(a: Any, image: Any, upper: Any, filters: int, workers: int) -> cost.Windows:
    """What `cost` wants to know. image: the input's (H, W, C); upper: the output's shape."""
    n, h, w, _ = upper
    kh, kw = a.kernel
    c, f = image[-1] // a.groups, filters // a.groups
    return cost.Windows(-(-n // workers), h, w, kh, kw, c, f, a.stride[1], a.dilation != (1, 1), a.groups)


def padded_bytes(a: Any, image: Any, block: tuple[int, int]) -> tuple[tuple[int, ...], int]:
    c = image[-1] // a.groups
    return conv.padded_shape(image[1], c, a.kernel[0], a.stride[0], a.pad, a.dilation[0], block), 4


def choose_conv(node: Node, workers: int) -> Choice | None:
    if not is_planar(node):
        return None
    a, x, y = node.resolved, node.operands[0].type.sizes, node.outputs[0].type.sizes
    if a.groups == x[3] == y[3] and a.groups > 1:
        return by_shifts(a, x, y, workers)
    found = measured(node, workers, conv_candidates)
    if found is not None:
        return found
    g = windows(a, x[1:], y, y[3], workers)
    t = min(cost.together_candidates(g), key=lambda t: cost.forward(g, t))
    return by_products(node, workers, t, by_filters=t == 1 and filters_are_cheaper(node, g, workers))


def by_shifts(a: Any, x: Any, y: Any, workers: int) -> Choice:
    """A depthwise convolution, x and y being the shapes of its input and output."""
    rows, wide = cost.shifts(y[1], y[2], y[3], 1 if y[0] > 1 else workers)
    split = depthwise.split_shape(x, y, a.kernel, a.stride, a.dilation, rows)
    taps = a.kernel[0] * a.kernel[1]
    scratch = cost.aligned((split, 4), ((rows if a.stride[1] > 1 else 0, y[2], y[3]), 4), ((taps, wide, y[3]), 4))
    seconds = cost.SHIFTED * 1e-9 * taps * -(-y[0] // workers) * y[1] * y[2] * y[3]
    return Choice("depthwise", (("rows", rows), ("wide", wide)), scratch, seconds)


def filters_are_cheaper(node: Node, g: cost.Windows, workers: int) -> bool:
    """Whether workers should share the filters of one image rather than its rows: each then reads its part of the weight
    once and all of the image, which wins where the weight is large and the image small.
    """
    if node.outputs[0].type.sizes[0] > 1 or workers == 1 or g.groups > 1 or g.f % workers:
        return False
    weight = cost.READ * g.kh * g.kw * g.c * g.f
    by_rows = cost.forward(replace(g, h=-(-g.h // workers)), 1) + weight
    return cost.forward(replace(g, f=g.f // workers), 1) + weight / workers < 0.95 * by_rows


def conv_candidates(node: Node, workers: int) -> dict[str, Choice]:
    """Several outputs together, and blocks of several sizes: what is worth measuring, the prediction's choice first."""
    if not is_planar(node):
        return {}
    a, x, y = node.resolved, node.operands[0].type.sizes, node.outputs[0].type.sizes
    if a.groups == x[3] == y[3] and a.groups > 1:
        return {}
    g = windows(a, x[1:], y, y[3], workers)
    short = shortlist({t: cost.forward(g, t) for t in cost.together_candidates(g)}, 4)
    sizes = [(t, size) for n, t in enumerate(short) for size in ((2, 1, 4) if n < 2 else (2,))]
    return {f"{t} together, blocks of {size}/2": by_products(node, workers, t, cost.CACHE * size // 2) for t, size in sizes}


def by_products(node: Node, workers: int, t: int, cache: int = cost.CACHE, by_filters: bool = False) -> Choice:
    """One row of a product makes `t` outputs; its gathered inputs stay in `cache` bytes. by_filters: what workers share of
    one image.
    """
    a, x, y = node.resolved, node.operands[0].type.sizes, node.outputs[0].type.sizes
    g = windows(a, x[1:], y, y[3], workers)
    block = cost.block(g, t, cache)
    if g.n == 1 and workers > 1 and not by_filters:
        block = (1, min(block[1], -(-y[1] // workers)))
    depth = g.kh * ((t - 1) * g.stride + g.kw) * g.c
    scratch = cost.aligned(
        padded_bytes(a, x[1:], block), ((block[0] * block[1] * (g.w // t), depth), 4), ((depth * t * g.f if t > 1 else 0,), 4)
    )
    split = (("filters", y[3] // workers),) if by_filters else ()
    return Choice("products", (("together", t), ("block", block), *split), scratch, cost.forward(g, t) * 1e-9)


def weight_text(call: Call) -> str:
    return f"{call.xs[1]}[::-1, ::-1]" if getattr(call.attrs, "flip", False) else call.xs[1]


def geometry(a: Any, stride: bool = True) -> dict[str, Any]:
    """Keys of a convolution that differ from the plain one."""
    return {
        "stride": a.stride if stride and a.stride != (1, 1) else None,
        "pad": a.pad if a.pad != ((0, 0), (0, 0)) else None,
        "dilation": a.dilation if a.dilation != (1, 1) else None,
        "groups": a.groups if a.groups != 1 else None,
    }


def conv_lines(call: Call) -> list[str]:
    a, weight = call.attrs, weight_text(call)
    if call.algorithm == "depthwise":
        shared = geometry(a) | {"groups": None} | dict(call.numbers)
        rest = keys(**shared, scratch=call.scratch, finish=call.finish)
        return [f"depthwise2d({call.xs[0]}, {weight}, {call.ys[0]}{rest}{call.share})"]
    t, block = call.numbers["together"], call.numbers["block"]
    rest = keys(
        **geometry(a),
        together=t if t > 1 else None,
        block=block,
        scratch=call.scratch,
        product=call.product,
        finish=call.finish,
    )
    return [f"conv2d({call.xs[0]}, {weight}, {call.ys[0]}{rest}{call.share})"]


LOWERINGS = {
    "conv": Lowering(
        choose_conv,
        conv_lines,
        lambda c: (depthwise.depthwise2d if c.algorithm == "depthwise" else conv.conv2d,),
        finishes=True,
        shares=True,
        candidates=conv_candidates,
    ),
}
