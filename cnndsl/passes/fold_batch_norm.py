"""fold_batch_norm: batch_norm after a convolution or a dense layer becomes part of its weights.

    s = γ / √(variance + ε)        conv(x, w, b) → batch_norm  =  conv(x, w · s, (b − mean) · s + β)

The output channel is the last axis of `w` and of the result, with groups too, so `w · s` is NumPy's broadcasting. The
new weights are values: made once by `prepare`, whenever weights are loaded; no parameter is changed.

It must not fire where the layer's result is read elsewhere or wanted itself, where the layer is used twice (one
weight, two norms), or where the statistics are the batch's own (training): mean and variance are then no state.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from cnndsl.graph.graph import STATE, Graph, Node, Origin, Value, rewrite
from cnndsl.passes.context import Context

LAYERS = ("conv", "dense")


def fold_batch_norm(graph: Graph, ctx: Context) -> Graph:
    users = graph.users()
    reads = Counter(x for node in graph.nodes for x in node.operands)
    wanted = {x.node for x in graph.results}
    folding: dict[Node, Node] = {}
    for node in graph.nodes:
        if node.op.name == "batch_norm":
            why = _refusal(node, users, wanted, reads)
            if why:
                ctx.log.refused("folded", node, why)
            else:
                folding[node] = node.operands[0].node
    layers = set(folding.values())
    parts: dict[Node, tuple[Value, ...]] = {}

    def visit(out: Graph, node: Node, operands: tuple[Value, ...]) -> tuple[Value, ...] | None:
        if node in layers:
            parts[node] = operands
            return (operands[0],)  # read by its batch_norm alone, which puts the new layer in its own place
        if node not in folding:
            return None
        layer = folding[node]
        ctx.log.fired(f"folded into {layer.op.name} {layer.path}", node)
        return _folded(out, layer, parts[layer], node, operands[1:])

    out = rewrite(graph, visit)
    for name, value in graph.names.items():
        if value.node in layers:
            out.names.pop(name, None)  # that value is not computed any more
    for name, value in graph.heads.items():
        if value.node in layers:
            out.heads.pop(name, None)
    return out


def _refusal(node: Node, users: list[list[Node]], wanted: set[Node], reads: Counter[Value]) -> str:
    """Why the batch_norm `node` stays; empty: it folds."""
    layer = node.operands[0].node
    if layer.op.name not in LAYERS:
        return f"what comes before is {layer.op.name}, not a convolution or a dense layer"
    if any(x.node.op is not STATE for x in node.operands[3:]):
        return "its statistics are those of the batch"
    if any(x.node.op is not STATE for x in (*node.operands[1:3], *layer.operands[1:])):
        return "its weights are computed, not loaded"
    if len(users[layer.id]) != 1:
        return f"the value of {layer.op.name} is read elsewhere too"
    if layer in wanted:
        return f"the value of {layer.op.name} is a result"
    if any(reads[x] > 1 for x in layer.operands[1:]):
        return f"the weights of {layer.op.name} are shared with another layer"
    return ""


def _folded(out: Graph, layer: Node, old: tuple[Value, ...], norm: Node, stats: tuple[Value, ...]) -> tuple[Value, ...]:
    x, weight, *bias = old
    gamma, beta, mean, variance = stats
    eps, origin = norm.attrs.eps, Origin(f"{layer.path}.folded", layer.origin.span, layer.origin.frames)
    scale = out.pointwise(lambda e, g, v: g / e.sqrt(v + eps), gamma, variance, origin=origin)
    scaled = out.pointwise(lambda e, w, s: w * s, weight, scale, origin=origin)
    if bias:
        shift = out.pointwise(lambda e, b, m, s, t: (b - m) * s + t, bias[0], mean, scale, beta, origin=origin)
    else:
        shift = out.pointwise(lambda e, m, s, t: t - m * s, mean, scale, beta, origin=origin)
    return out.add(layer.op, (x, scaled, shift), replace(layer.attrs, bias=True), layer.origin)
