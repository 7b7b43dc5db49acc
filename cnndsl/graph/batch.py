"""Which values carry the batch on their first axis: what a plan may cut between workers."""

from __future__ import annotations

from cnndsl.graph.graph import INPUT, Graph, Value


def batched_values(graph: Graph) -> set[Value]:
    """The values of `graph` whose axis 0 is the batch, derived from its inputs through each op's `batch` rule.

    A node that carries a graph inside (`fused`) is asked output by output. What an op that needs the `whole` batch
    gives has none: `moments` of 16 images with 16 channels are 16 numbers, and no batch.
    """
    found: set[Value] = set()
    for node in graph.nodes:
        inner = getattr(node.attrs, "inner", None)
        if isinstance(inner, Graph):
            within = batched_values(inner)
            found.update(y for y, x in zip(node.outputs, inner.outputs.values(), strict=True) if x in within)
            continue
        if node.op is INPUT:
            carries = node.attrs.batched
        else:
            rule = node.op.batch_rule(node.attrs)
            carries = rule == "make" or (rule == "map" and any(x in found for x in node.operands))
        if carries:
            found.update(node.outputs)
    return found
