"""inference: what runs when a trained network is used: dropout and identity vanish, heads too unless asked for.

Sets the outputs: the model's own, or `options.outputs` by name in their place; then the heads where `options.heads`.
"""

from __future__ import annotations

import difflib

from cnndsl.errors import error
from cnndsl.graph.graph import Graph, Node, Value, rewrite
from cnndsl.passes.context import Context, Options

VANISH = ("dropout", "spatial_dropout", "stochastic_depth", "noise", "identity")


def inference(graph: Graph, ctx: Context) -> Graph:
    def visit(out: Graph, node: Node, operands: tuple[Value, ...]) -> tuple[Value, ...] | None:
        if node.op.name in VANISH:
            ctx.log.fired(f"removed {node.op.name}", node)
            return operands
        return None

    out = rewrite(graph, visit)
    out.outputs = wanted_outputs(out, ctx.options)
    return out


def wanted_outputs(graph: Graph, options: Options) -> dict[str, Value]:
    """The values that a run gives, by name and in order. Raises E203 where one is named that is not there."""
    known = {**graph.outputs, **graph.heads, **graph.names}
    wanted = {}
    for name in options.outputs:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise error("E203", f"no value is named {name}", help=f"did you mean {near[0]}?" if near else
                        f"named values: {', '.join(known) or 'none'}")  # fmt: skip
        wanted[name] = known[name]
    return {**(wanted or graph.outputs), **(graph.heads if options.heads else {})}
