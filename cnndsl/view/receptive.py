"""Receptive fields: how much of the input one position of a value depends on.

Per axis, with window k (dilated) and stride s, going down from the input (field 1, step 1):

    field ← field + (k − 1) · step        step ← step · s

A join takes the largest of its branches. What ends the spatial axes (flatten, global pooling) sees the whole input.
The field counts padding in and is not cut at the input's border, as the literature does. Araujo, Norris, Sim,
"Computing Receptive Fields of Convolutional Neural Networks", 2019.
"""

from __future__ import annotations

from cnndsl.graph.graph import INPUT, SOURCES, Graph, Value
from cnndsl.graph.sizes import Size

Field = tuple[Size, ...]


def receptive_fields(graph: Graph) -> dict[Value, Field]:
    """For each value that an input reaches: its receptive field, one size for each spatial axis of that input."""
    fields: dict[Value, Field] = {}
    steps: dict[Value, tuple[int, ...]] = {}
    whole: dict[Value, Field] = {}
    for node in graph.nodes:
        if node.op is INPUT:
            space = node.outputs[0].type.space
            fields[node.outputs[0]], steps[node.outputs[0]] = (1,) * len(space), (1,) * len(space)
            whole[node.outputs[0]] = space
        fed = [x for x in node.operands if x in fields]
        if node.op in SOURCES or not fed:
            continue
        widest = max(fed, key=lambda x: len(fields[x]))
        rank = len(fields[widest])
        alike = [x for x in fed if len(fields[x]) == rank]
        field = tuple(_largest([fields[x][i] for x in alike]) for i in range(rank))
        step = tuple(max(steps[x][i] for x in alike) for i in range(rank))
        if node.op.window is not None:
            kernel, stride = node.op.window(node.attrs)
            field = tuple(f + (k - 1) * j for f, k, j in zip(field, kernel, step, strict=True))
            step = tuple(j * s for j, s in zip(step, stride, strict=True))
        for y in node.outputs:
            ends = len(y.type.space) < len(widest.type.space)
            fields[y], steps[y], whole[y] = whole[widest] if ends else field, step, whole[widest]
    return fields


def _largest(sizes: list[Size]) -> Size:
    """The largest of them; a symbolic size (the whole input) is larger than any number."""
    symbolic = [s for s in sizes if not isinstance(s, int)]
    return symbolic[0] if symbolic else max(s for s in sizes if isinstance(s, int))
