"""Nodes on arrays of lanes: which can be, and what each becomes. What `choose_layout` rewrites with.

Number c · lanes + n of a position is channel c of image n. So what treats each channel of each position alone means the
same on the wide array, with vectors of channels repeated; pools and pads do not look at channels at all; a sum over
images and space gives sums of each lane, which are added; a convolution becomes its twin.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from cnndsl.graph.graph import Graph, Node, Value
from cnndsl.ops.lanes import LaneConvAttrs

Batched = Collection[Value]
CONVS = {"conv": "lane_conv", "conv_input_grad": "lane_conv_input_grad", "conv_weight_grad": "lane_conv_weight_grad"}
POOLS = ("max_pool", "avg_pool", "max_pool_grad", "global_avg_pool", "global_max_pool")


def refuses(node: Node, batched: Batched) -> str:
    """Why a node cannot work on lanes; empty: it can."""
    op = node.op
    if op.name in CONVS:
        return _conv_refuses(node, batched)
    if op.pointwise is not None:
        return _pointwise_refuses(node, batched)
    if op.name == "reduce_sum" or op.name == "moments":
        x = node.operands[0]
        kept = op.name == "moments" or tuple(sorted(node.attrs.axes)) == tuple(range(x.type.rank - 1))
        return "" if kept and x in batched and x.type.rank > 2 else "its sums are not those of channels"
    if op.name == "view":
        x, y = node.operands[0], node.outputs[0]
        same = x in batched and x.type.sizes[0] == y.type.sizes[0] and x.type.sizes[-1] == y.type.sizes[-1]
        return "" if same else "its channels do not stay"
    if op.name in POOLS or op.name in ("avg_pool_grad", "take_part", "concat", "pad"):
        exact = getattr(node.attrs, "fit", "exact") == "exact"
        return "" if exact and all(x in batched for x in node.operands) else "it crops"
    return f"{op.name} has no twin on lanes"


def _conv_refuses(node: Node, batched: Batched) -> str:
    a = node.attrs
    if len(a.kernel) != 2 or a.groups != 1 or a.dilation != (1, 1) or a.flip or getattr(a, "pad_mode", "zero") != "zero":
        return "only plain convolutions in two dimensions have a twin on lanes"
    if any(x in batched for x in node.operands[1:2]) != (node.op.name == "conv_weight_grad"):
        return "its weight depends on the images"
    return "" if node.operands[0] in batched else "it does not depend on the images"


def _pointwise_refuses(node: Node, batched: Batched) -> str:
    y = node.outputs[0]
    if y not in batched or y.type.rank < 2:
        return "it does not depend on the images"
    for other in node.outputs:
        if other.type.shape != y.type.shape:
            return "its results differ in shape"
    for x in node.operands:
        if x in batched:
            fits = x.type.rank == y.type.rank and x.type.sizes[-1] == y.type.sizes[-1]
        else:
            fits = x.type.elements == 1 or x.type.sizes == y.type.sizes[-1:]
        if not fits:
            return "an operand is neither an array of the same channels, nor a vector of channels, nor a number"
    return ""


def in_lanes(out: Graph, node: Node, operands: tuple[Value, ...], batched: Batched, lanes: int) -> tuple[Value, ...]:
    """The twin of `node` in `out`. operands: of those that carry the batch, arrays of lanes; the others as they were."""
    name = node.op.name
    if name in CONVS:
        return _conv(out, node, operands, lanes)
    if node.op.pointwise is not None:
        wide = []
        for x, old in zip(operands, node.operands, strict=True):
            vector = old not in batched and x.type.sizes == node.outputs[0].type.sizes[-1:]
            wide.append(_repeated(out, x, lanes, node) if vector else x)
        return out.add(node.op, wide, node.attrs, node.origin)
    if name == "reduce_sum":
        return (_channel_sums(out, out.reduce_sum(operands[0], axes=node.attrs.axes, origin=node.origin), lanes, node),)
    if name == "moments":
        return _moments(out, node, operands[0], lanes)
    change = ATTRS.get(name)
    attrs = change(node.attrs, lanes, node) if change else node.attrs
    return out.add(node.op, operands, attrs, node.origin)


def _repeated(out: Graph, v: Value, lanes: int, node: Node) -> Value:
    flat = v if v.type.rank == 1 else out.view(v, shape=(v.type.elements,), origin=node.origin)
    found: Value = out.repeat_lanes(flat, lanes=lanes, origin=node.origin)
    return found


def _channel_sums(out: Graph, v: Value, lanes: int, node: Node) -> Value:
    """Sums of each lane (C · lanes,) → of each channel (C,)."""
    table = out.view(v, shape=(v.type.elements // lanes, lanes), origin=node.origin)
    found: Value = out.reduce_sum(table, axes=(1,), origin=node.origin)
    return found


def _moments(out: Graph, node: Node, x: Value, lanes: int) -> tuple[Value, ...]:
    """All lanes have equally many numbers: the mean is that of the means; to the variances comes that of the means."""
    means, variances = out.moments(x, origin=node.origin)
    share = 1.0 / lanes
    mean = out.pointwise(lambda e, s: s * share, _channel_sums(out, means, lanes, node), origin=node.origin)
    spread = out.pointwise(
        lambda e, v, m, c: (v + (m - c) * (m - c)) * share,
        variances, means, _repeated(out, mean, lanes, node), origin=node.origin,
    )  # fmt: skip
    return mean, _channel_sums(out, spread, lanes, node)


def _conv(out: Graph, node: Node, operands: tuple[Value, ...], lanes: int) -> tuple[Value, ...]:
    a, name = node.attrs, node.op.name
    sizes = node.operands[0].type.sizes[1:] if name == "conv" else a.sizes
    attrs = LaneConvAttrs(tuple(a.kernel), tuple(a.stride), tuple(a.pad), lanes, tuple(sizes))
    found = out.add(CONVS[name], operands[:2], attrs, node.origin)
    if name == "conv" and len(operands) == 3:
        bias = _repeated(out, operands[2], lanes, node)
        return (out.pointwise(lambda e, y, b: y + b, found[0], bias, origin=node.origin),)
    return found


def _sizes(a: Any, lanes: int, node: Node) -> Any:
    return replace(a, sizes=(*a.sizes[:-1], a.sizes[-1] * lanes))


def _part(a: Any, lanes: int, node: Node) -> Any:
    return replace(_sizes(a, lanes, node), start=a.start * lanes)


def _pad(a: Any, lanes: int, node: Node) -> Any:
    return replace(a, channels=tuple(n * lanes for n in a.channels))


def _view(a: Any, lanes: int, node: Node) -> Any:
    batch, *space, channels = node.outputs[0].type.sizes
    return replace(a, shape=(batch // lanes, *space, channels * lanes))


ATTRS: Mapping[str, Callable[[Any, int, Node], Any]] = {
    "avg_pool_grad": _sizes, "take_part": _part, "pad": _pad, "view": _view,
}  # fmt: skip
"""How attributes that speak of channels or of the batch change."""
