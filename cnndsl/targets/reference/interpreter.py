"""The reference interpreter: walks a graph and calls each op's meaning. Slow, obvious, the judge of every target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cnndsl.graph.graph import CONSTANT, INPUT, STATE, Graph, Node, Value

Arrays = dict[str, Any]


def evaluate(
    graph: Graph, inputs: Mapping[str, Any], state: Mapping[str, Any], xp: Any = np, dtype: str | None = None
) -> tuple[Arrays, Arrays]:
    """(outputs, updates) by name. `dtype`: read every float array as this type, `float64` for a judge's digits."""
    values = walk(graph, inputs, state, xp, dtype, keep=False)
    outputs = {name: values[v] for name, v in graph.outputs.items()}
    return outputs, {name: values[v] for name, v in graph.updates.items()}


def walk(
    graph: Graph, inputs: Mapping[str, Any], state: Mapping[str, Any], xp: Any = np, dtype: str | None = None, keep: bool = True
) -> dict[Value, Any]:
    """Every value of `graph` (or, without `keep`, only its results: others are freed after their last use)."""
    left = [0] * len(graph.nodes)
    for node in graph.nodes:
        for x in node.operands:
            left[x.node.id] += 1
    for value in graph.results:
        left[value.node.id] += 1
    values: dict[Value, Any] = {}
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            values.update(zip(node.outputs, _apply(node, values, inputs, state, xp, dtype), strict=True))
            for x in node.operands if not keep else ():
                left[x.node.id] -= 1
                if not left[x.node.id]:
                    for y in x.node.outputs:
                        values.pop(y, None)
    return values


def _apply(node: Node, values: dict[Value, Any], inputs: Any, state: Any, xp: Any, dtype: str | None) -> tuple[Any, ...]:
    if node.op is INPUT or node.op is STATE:
        array = xp.asarray((inputs if node.op is INPUT else state)[node.attrs.name])
        wanted = dtype if dtype and node.attrs.type.is_float else node.attrs.type.dtype
        return (array.astype(wanted, copy=False),)
    if node.op is CONSTANT and dtype and node.attrs.type.is_float:  # as wide as what it meets
        return (xp.asarray(node.attrs.data, dtype=dtype).reshape(node.attrs.type.shape),)
    return tuple(node.op.reference(xp, node.resolved, *(values[x] for x in node.operands)))
