"""dead_code: nodes that no output and no update needs vanish, with the state that only they read."""

from __future__ import annotations

from cnndsl.graph.graph import INPUT, STATE, Graph, Node, copy_node, finish
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
        new[node] = copy_node(out, node, tuple(new[x.node][x.index] for x in node.operands))
    return finish(out, graph, lambda v: new[v.node][v.index] if v.node in new else None)
