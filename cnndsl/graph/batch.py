"""Which values carry the batch on their first axis: what a plan may cut between workers."""

from __future__ import annotations

from cnndsl.errors import error
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


def mixes_images(graph: Graph) -> bool:
    """Whether an output is of several images at once: a sum over the batch, or what is computed with one. It has no meaning
    where the images come in parts, or with others to fill the batch.
    """
    batched = batched_values(graph)
    mixed: set[Value] = set()
    for node in graph.nodes:
        inner = getattr(node.attrs, "inner", None)
        if isinstance(inner, Graph):
            mixes = mixes_images(inner)
        else:
            mixes = node.op.batch_rule(node.attrs) in ("sum", "whole") and any(x in batched for x in node.operands)
        if mixes or any(x in mixed for x in node.operands):
            mixed.update(node.outputs)
    return any(y in mixed for y in graph.outputs.values())


def check_batch(graph: Graph, batch: int) -> None:
    """Raises E608 where a graph that was read does not compute on `batch` images: an input has others, or a value whose
    images a plan may part has their numbers mixed.
    """
    for name, x in graph.inputs.items():
        if x.node.attrs.batched and x.type.shape[:1] != (batch,):
            what = f"the input {name} is {x.type}, and the first lines say batch {batch}"
            raise error("E608", what, x.node.origin.span, help="both may be edited, but to the same number")
    _check_views(graph)


def _check_views(graph: Graph) -> None:
    carried = batched_values(graph)
    for node in graph.nodes:
        inner = getattr(node.attrs, "inner", None)
        if isinstance(inner, Graph):
            _check_views(inner)
        elif node.op.view and node.operands[0] in carried:
            before, after = node.operands[0].type, node.outputs[0].type
            if before.shape[:1] != after.shape[:1]:
                raise error("E608", f"{node.op.name} makes {after} of a batch {before}", node.origin.span)
