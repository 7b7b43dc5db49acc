"""explicit_padding: padding by reflection or by edges becomes a value, where the target's convolutions pad with zeros only.

    conv(x, w; pad = p, pad_mode = reflect)  =  conv(pad(x, p, reflect), w; pad = 0)

The gradient for the weights reads the same padded value, which is then made once. Where nothing is padded (a 1×1 kernel),
the mode is dropped.

It must not fire for a target that does not say `pads_with_zeros`: its kernels read mirrored places where they lie.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cnndsl.graph.graph import Graph, Node, Value, rewrite
from cnndsl.passes.context import Context


def explicit_padding(graph: Graph, ctx: Context) -> Graph:
    """`graph` must be specialised."""
    if ctx.target is None or not ctx.target.pads_with_zeros:
        return graph
    found = [n for n in graph.nodes if n.op.name == "conv" and n.attrs.pad_mode != "zero"]
    if not found:
        return graph
    apart = {n: n.resolved for n in found}
    made: dict[tuple[Value, Any, str], Value] = {}

    def visit(out: Graph, node: Node, operands: tuple[Value, ...]) -> tuple[Value, ...] | None:
        if node in apart:
            a = apart[node]
            x, *rest = operands
            if any(n for pair in a.pad for n in pair):
                x = padded(out, node, x, a.pad, a.pad_mode)
                ctx.log.fired(f"its padding, {a.pad_mode}, made a value", node)
            else:
                ctx.log.fired("pads nothing", node)
            new = replace(a, pad=((0, 0),) * len(a.pad), pad_mode="zero")
            return out.add(node.op, (x, *rest), new, node.origin)
        if node.op.name == "pad" and node.attrs.channels == (0, 0):
            return (made[key],) if (key := (operands[0], node.resolved.amount, node.attrs.mode)) in made else None
        return None

    def padded(out: Graph, node: Node, x: Value, amount: Any, mode: str) -> Value:
        if (x, amount, mode) not in made:
            origin = replace(node.origin, path=f"{node.path}.pad")
            made[x, amount, mode] = out.pad(x, amount=amount, mode=mode, origin=origin)
        return made[x, amount, mode]

    return rewrite(graph, visit)
