"""Equality of graphs: node by node in order, or in whatever order. Iterative, linear in the graph."""

from __future__ import annotations

from collections import Counter
from typing import Any

from cnndsl.graph.graph import SOURCES, Graph, Value
from cnndsl.graph.text import to_text


def equal(a: Graph, b: Graph) -> bool:
    """Whether `a` and `b` are the same graph node by node; where values were written in a source does not count."""
    return len(a.nodes) == len(b.nodes) and to_text(a) == to_text(b)


def difference(a: Graph, b: Graph) -> str:
    """In what two graphs differ, the order of their nodes aside; empty where they are isomorphic.

    Compared are ops, attributes, types, wiring, the paths of nodes, weights with all that is declared of them, inputs,
    outputs, updates, names and heads. Where values were written in a source, and the graphs' names, do not count.
    """
    meant: dict[Any, int] = {}
    told = [_meaning(g, meant) for g in (a, b)]
    for key in told[0]:
        if told[0][key] != told[1][key]:
            p, q = told[0][key], told[1][key]
            odd = [x for x in p if p[x] != q.get(x)] + [x for x in q if x not in p]
            return f"{key}: {odd[:3]}"
    return ""


def isomorphic(a: Graph, b: Graph) -> bool:
    """Whether `a` and `b` are the same graph but for the order of their nodes."""
    return not difference(a, b)


def _meaning(graph: Graph, meant: dict[Any, int]) -> dict[str, dict[Any, Any]]:
    """Each table of a graph, with values as numbers that are equal for values that mean the same."""
    of: dict[Value, int] = {}
    nodes: Counter[Any] = Counter()
    for node in graph.nodes:
        operands = tuple(of[x] for x in node.operands)
        key = (node.op.name, node.attrs, operands, "" if node.op in SOURCES else node.path)
        shown = (node.op.name, node.path, repr(node.attrs), tuple(str(y.type) for y in node.outputs), operands)
        nodes[shown] += 1
        for y in node.outputs:
            of[y] = meant.setdefault((repr(key), str(y.type), y.index), len(meant))
    return {
        "states": {name: repr(s) for name, s in graph.state.items()},
        "nodes": dict(nodes),
        **{
            what: {name: of[x] for name, x in values.items()}
            for what, values in (
                ("inputs", graph.inputs), ("outputs", graph.outputs), ("updates", graph.updates), ("names", graph.names),
                ("heads", graph.heads), ("state values", graph.state_values),
            )
        },
    }  # fmt: skip
