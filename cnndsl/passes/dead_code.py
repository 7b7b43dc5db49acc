"""dead_code: nodes that no output and no update needs vanish, with the state that only they read."""

from __future__ import annotations

from cnndsl.graph.graph import INPUT, STATE, Graph, Node, copy_node
from cnndsl.passes.context import Context


def dead_code(graph: Graph, ctx: Context) -> Graph:
    """Inputs stay: they are the interface. Names and heads that are not computed any more are forgotten."""
    needed = [False] * len(graph.nodes)
    for value in graph.results:
        needed[value.node.id] = True
    for node in reversed(graph.nodes):
        if needed[node.id]:
            for x in node.operands:
                needed[x.node.id] = True
    out = Graph(graph.name)
    new: dict[Node, tuple] = {}  # type: ignore[type-arg]
    for node in graph.nodes:
        keep = needed[node.id] or node.op is INPUT or (node.op is STATE and node.attrs.name in graph.updates)
        if not keep:
            ctx.log.fired("removed", node)
            continue
        made = copy_node(out, node, tuple(new[x.node][x.index] for x in node.operands))
        new[node] = made
        if node.op is INPUT:
            out.inputs[node.attrs.name] = made[0]
        elif node.op is STATE:
            out.state[node.attrs.name] = graph.state[node.attrs.name]
            out.state_values[node.attrs.name] = made[0]
    out.outputs = {k: new[v.node][v.index] for k, v in graph.outputs.items()}
    out.updates = {k: new[v.node][v.index] for k, v in graph.updates.items()}
    out.names = {k: new[v.node][v.index] for k, v in graph.names.items() if v.node in new}
    out.heads = {k: new[v.node][v.index] for k, v in graph.heads.items() if v.node in new}
    return out
