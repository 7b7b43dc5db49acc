"""The one door to networkx: a graph for other people's tools, and cuts. Imported lazily, it costs 0.1 s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cnndsl.graph.graph import Graph, Node

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


def cheapest_side(gains: Mapping[Node, float], borders: Sequence[tuple[Node, Sequence[Node | None], float]]) -> set[Node]:
    """The nodes to change, so that the sum of their gains less the costs of borders is largest; a minimum cut.

    gains: of each node that can change; may be negative. borders: (maker of a value, its readers, cost): the cost is
    paid once where the maker and any reader end on different sides. None: a reader that cannot change.
    """
    import networkx

    net: Any = networkx.DiGraph()
    source, sink = "source", "sink"
    net.add_nodes_from((source, sink))
    for node, gain in gains.items():
        if gain > 0:
            net.add_edge(source, node, capacity=gain)
        else:
            net.add_edge(node, sink, capacity=-gain)

    def end(node: Node | None) -> Any:
        return node if node in gains else sink

    for k, (maker, readers, cost) in enumerate(borders):
        ends = {id(end(r)): end(r) for r in readers}
        if end(maker) is sink and all(e is sink for e in ends.values()):
            continue
        leaves, enters = ("leaves", k), ("enters", k)  # some reader is not changed; some reader is
        if end(maker) is not sink:
            net.add_edge(maker, leaves, capacity=cost)
        net.add_edge(enters, end(maker), capacity=cost)
        for e in ends.values():
            net.add_edge(leaves, e)  # without capacity: never cut
            if e is not sink:
                net.add_edge(e, enters)
    _, (side, _) = networkx.minimum_cut(net, source, sink)
    return {n for n in side if n in gains}
