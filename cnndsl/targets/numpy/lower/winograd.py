"""Winograd's convolution: when it is cheaper than the plain one, its blocks, and the calls."""

from __future__ import annotations

import math
from typing import Any

from cnndsl.graph.graph import Node
from cnndsl.graph.target import Choice
from cnndsl.ops.winograd import fits, inputs_of, sides
from cnndsl.targets.numpy import cost
from cnndsl.targets.numpy.kernels import winograd
from cnndsl.targets.numpy.lower import conv, conv_grad
from cnndsl.targets.numpy.lower.call import Call, Lowering, keys, plain


def tile_of(node: Node, workers: int, training: bool) -> int:
    """The tile with which a conv or a conv_input_grad is cheaper than by its own kernel, or 0."""
    own = (conv.choose_conv if node.op.name == "conv" else conv_grad.choose_input_grad)(node, workers)
    x, y = node.operands[0].type.sizes, node.outputs[0].type.sizes
    best, least = 0, own.seconds if own else float("inf")
    for tile in (2, 4):
        found = seconds_of(node, tile, workers)
        kernel = tuple(node.attrs.kernel)
        if training and found < least:
            found += cost.product(math.prod(inputs_of(kernel, tile)), math.prod(kernel), x[3] * y[3]) * 1e-9
        if found < least:
            best, least = tile, found
    return best


def seconds_of(node: Node, tile: int, workers: int) -> float:
    """Of a conv or a conv_input_grad by tiles; infinite where that is impossible. One worker, its images."""
    a: Any = node.resolved
    plain = fits(tuple(a.kernel), tile) and tuple(a.stride) == tuple(a.dilation) == (1, 1) and a.groups == 1
    if node.op.name not in ("conv", "conv_input_grad") or not plain or not conv.is_planar(node):
        return float("inf")
    y = node.outputs[0].type.sizes
    g = windows(node.operands[0].type.sizes, y, a.kernel, workers)
    return cost.winograd(g, tile)[0] * 1e-9 * y[1] / g.h


def windows(x: tuple[int, ...], y: tuple[int, ...], kernel: tuple[int, int], workers: int) -> cost.Windows:
    """What one worker does: its images, or its rows of the one image."""
    n, h, w, f = y
    return cost.Windows(-(-n // workers), h if n >= workers else -(-h // workers), w, *kernel, x[3], f, 1, False, 1)


def choose_conv(node: Node, workers: int) -> Choice | None:
    if node.outputs[0].type.dtype != "float32":
        return None
    a: Any = node.attrs
    x, y = node.operands[0].type.sizes, node.outputs[0].type.sizes
    g = windows(x, y, a.kernel, workers)
    nanoseconds, block = cost.winograd(g, a.tile)
    (mh, mw), (ah, aw) = sides(a.kernel, a.tile), inputs_of(a.kernel, a.tile)
    columns = -(-y[2] // mw)
    size = ah * aw * block[0] * block[1] * columns * max(g.c, g.f)
    padded = (block[0], mh * (block[1] - 1) + ah, mw * (columns - 1) + aw, g.c)
    scratch = cost.aligned((padded, 4), ((size,), 4), ((size,), 4))
    return Choice(f"tiles of {a.tile}", (("block", block),), scratch, nanoseconds * 1e-9 * y[1] / g.h)


def conv_lines(call: Call) -> list[str]:
    a = call.attrs
    pad = a.pad if a.pad != ((0, 0), (0, 0)) else None
    kernel = a.kernel if a.kernel != (3, 3) else None
    rest = keys(tile=a.tile, kernel=kernel, pad=pad, block=call.numbers["block"], scratch=call.scratch, finish=call.finish)
    return [f"winograd_conv2d({call.xs[0]}, {call.xs[1]}, {call.ys[0]}{rest}{call.share})"]


def choose_filter(node: Node, workers: int) -> Choice | None:
    if node.outputs[0].type.dtype != "float32":
        return None
    number, c, f = node.outputs[0].type.sizes
    scratch = cost.aligned(((number, c * f), 4)) if node.attrs.turned else 0
    return Choice("product", (), scratch, cost.product(number, math.prod(node.operands[0].type.sizes[:2]), c * f) * 1e-9)


def filter_lines(call: Call) -> list[str]:
    turned = True if call.attrs.turned else None
    rest = keys(tile=call.attrs.tile, turned=turned, scratch=call.scratch)
    return [f"winograd_filter({call.xs[0]}, {call.ys[0]}{rest})"]


LOWERINGS = {
    "winograd_conv": Lowering(choose_conv, conv_lines, lambda call: (winograd.winograd_conv2d,), finishes=True, shares=True),
    "winograd_filter": plain(winograd.winograd_filter, filter_lines, choose_filter),
}
