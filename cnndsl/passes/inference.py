"""inference: what runs when a trained network is used: dropout and identity vanish, heads too unless asked for.

Sets the outputs: the model's own, or `options.outputs` by name in their place; then the heads where `options.heads`.
"""

from __future__ import annotations

import difflib

from cnndsl.errors import error
from cnndsl.graph.graph import Graph, Node, Value, rewrite
from cnndsl.passes.context import Context

VANISH = ("dropout", "spatial_dropout", "stochastic_depth", "noise", "identity")


def inference(graph: Graph, ctx: Context) -> Graph:
    def visit(out: Graph, node: Node, operands: tuple[Value, ...]) -> tuple[Value, ...] | None:
        if node.op.name in VANISH:
            ctx.log.fired(f"removed {node.op.name}", node)
            return operands
        return None

    out = rewrite(graph, visit)
    known = {**out.outputs, **out.heads, **out.names}
    wanted = {}
    for name in ctx.options.outputs:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise error("E203", f"no value is named {name}", help=f"did you mean {near[0]}?" if near else
                        f"named values: {', '.join(known) or 'none'}")  # fmt: skip
        wanted[name] = known[name]
    out.outputs = wanted or out.outputs
    if ctx.options.heads:
        out.outputs.update(out.heads)
    return out
