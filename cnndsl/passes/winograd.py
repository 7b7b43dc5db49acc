"""winograd: convolutions of stride 1 by Winograd's tiles, where the target says that it is cheaper.

    conv(x, w, b)             → winograd_conv(x, winograd_filter(w), b)
    conv_input_grad(gy, w)    → winograd_conv(gy, winograd_filter(w, turned)), padded by k − 1 − pad

The algebra: polynomial products by their values at points, Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A (Winograd, "Arithmetic Complexity
of Computations", 1980; Lavin, Gray, "Fast Algorithms for Convolutional Neural Networks", 2016; `cnndsl/ops/winograd.py`).
The gradient for the input of such a convolution is a convolution with the kernel turned round and channels and filters
exchanged. For inference the filter depends on weights alone and is transformed once, when they are loaded; in training at
each step.

Kernels of 3 × 3, 5 × 5, and of 3, 5 or 7 places along one axis. When it must not fire: another kernel, a stride or a
dilation, groups, padding with something else than zeros or by more than k − 1, a kernel read backwards, float64 (gradient
checks want its digits; what is gained is float32's).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cnndsl.graph.graph import Graph, Node, Value, rewrite
from cnndsl.ops.winograd import TILES, fits
from cnndsl.passes.context import Context

KINDS = ("conv", "conv_input_grad")


def winograd(graph: Graph, ctx: Context) -> Graph:
    """`graph` must be specialised."""
    whys = {node: _refusal(node) for node in graph.nodes if node.op.name in KINDS}
    if ctx.target is None:
        return graph
    tiles = {n: 0 if why else ctx.target.winograd(n, ctx.options.workers, ctx.options.training) for n, why in whys.items()}
    if None in tiles.values():  # this target has no kernel by tiles
        return graph
    for node, why in whys.items():
        if any(k > 1 for k in node.attrs.kernel) and not tiles[node]:
            ctx.log.refused("by tiles", node, why or "its own kernel is cheaper")
    if not any(tiles.values()):
        return graph

    filters: dict[tuple[Value, int, bool], Value] = {}  # a weight that several layers share is transformed once

    def visit(out: Graph, node: Node, operands: tuple[Value, ...]) -> tuple[Value, ...] | None:
        tile = tiles.get(node, 0)
        if not tile:
            return None
        a: Any = node.op.resolved(node.attrs, *(x.type for x in operands))
        turned = node.op.name == "conv_input_grad"
        pad = a.pad
        if turned:
            pad = tuple((k - 1 - low, k - 1 - high) for k, (low, high) in zip(a.kernel, a.pad, strict=True))
        x, w, *bias = operands
        ctx.log.fired(f"by tiles of {tile} × {tile}", node)
        if (w, tile, turned) not in filters:
            origin = replace(node.origin, path=f"{node.path}.filter")
            filters[w, tile, turned] = out.winograd_filter(w, tile=tile, turned=turned, origin=origin)
        u = filters[w, tile, turned]
        return (out.winograd_conv(x, u, *bias, tile=tile, kernel=tuple(a.kernel), pad=pad, origin=node.origin),)

    return rewrite(graph, visit)


def _refusal(node: Node) -> str:
    """Why a convolution keeps its own kernel whatever it costs; empty: none."""
    a: Any = node.resolved
    if not any(fits(tuple(a.kernel), tile) for tile in TILES):
        return "its kernel has no tiles"
    if tuple(a.stride) != (1, 1) or tuple(a.dilation) != (1, 1):
        return "it has a stride or a dilation"
    if a.groups != 1:
        return "it has groups"
    if getattr(a, "pad_mode", "zero") != "zero" or a.flip:
        return "its padding is not zero, or its kernel is read backwards"
    if any(not 0 <= p <= k - 1 for k, pair in zip(a.kernel, a.pad, strict=True) for p in pair):
        return "it is padded by more than its kernel"
    if node.outputs[0].type.dtype != "float32":
        return "it is not float32"
    return ""
