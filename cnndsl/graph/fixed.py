"""Which nodes depend on state and constants alone: what an inference program computes once, when weights are loaded."""

from __future__ import annotations

from collections.abc import Container

from cnndsl.graph.graph import CONSTANT, STATE, Graph, Node


def fixed_nodes(graph: Graph, renewed: Container[Node] = ()) -> list[bool]:
    """For each node: does it depend only on constants and on state that no run changes?

    renewed: nodes that each run computes anew, and so what depends on them (results lie in the caller's arrays).
    """
    found: list[bool] = []
    for node in graph.nodes:
        source = node.op is CONSTANT or (node.op is STATE and node.attrs.name not in graph.updates)
        fed = bool(node.operands) and all(found[x.node.id] for x in node.operands)
        found.append(source or (fed and node not in renewed))
    return found
