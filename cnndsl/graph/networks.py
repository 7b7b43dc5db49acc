"""The one door to networkx: a graph for other people's tools. Imported lazily, it costs 0.1 s."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnndsl.graph.graph import Graph

if TYPE_CHECKING:
    import networkx


def to_networkx(graph: Graph) -> networkx.MultiDiGraph[int]:
    """A node for each node (`op`, `path`, `types`); an edge for each operand (`operand`: its place, `output`: which of
    the producer's). Parallel edges stay: `add(x, x)` has two.
    """
    import networkx

    found: Any = networkx.MultiDiGraph(name=graph.name)
    for node in graph.nodes:
        found.add_node(node.id, op=node.op.name, path=node.path, types=tuple(str(y.type) for y in node.outputs))
        for place, x in enumerate(node.operands):
            found.add_edge(x.node.id, node.id, operand=place, output=x.index)
    return found
