"""Which values carry the batch on their first axis: what a plan may cut between workers."""

from __future__ import annotations

from cnndsl.graph.graph import INPUT, Graph, Value


def batched_values(graph: Graph) -> set[Value]:
    """The values of `graph` whose axis 0 is the batch, derived from its inputs through each op's `batch` rule."""
    found: set[Value] = set()
    for node in graph.nodes:
        if node.op is INPUT:
            carries = node.attrs.batched
        else:
            rule = node.op.batch_rule(node.attrs)
            fed = [x for x in node.operands if x in found]
            carries = rule == "make" or (rule == "map" and bool(fed))
            if rule == "whole" and fed:
                size = fed[0].type.shape[0]
                found.update(y for y in node.outputs if y.type.rank and y.type.shape[0] == size)
        if carries:
            found.update(node.outputs)
    return found
