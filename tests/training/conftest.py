"""A graph evaluated by the references of its ops, in any float type: the judge of step graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from cnndsl.graph.graph import INPUT, STATE, Graph

Walk = Callable[..., tuple[dict[str, Any], dict[str, Any]]]


def walk(graph: Graph, state: Mapping[str, Any], inputs: Mapping[str, Any], dtype: str = "float64") -> tuple[dict[str, Any], dict[str, Any]]:
    """(outputs, updates) of one run."""
    values: dict[Any, Any] = {}

    def given(array: Any) -> Any:
        array = np.asarray(array)
        return array.astype(dtype) if array.dtype.kind == "f" else array

    for node in graph.nodes:
        if node.op is INPUT:
            ys: Any = (given(inputs[node.attrs.name]),)
        elif node.op is STATE:
            ys = (given(state[node.attrs.name]),)
        else:
            ys = node.op.reference(np, node.attrs, *(values[x] for x in node.operands))
        values.update((v, given(y)) for v, y in zip(node.outputs, ys, strict=True))
    return {k: values[v] for k, v in graph.outputs.items()}, {k: values[v] for k, v in graph.updates.items()}


@pytest.fixture(name="walk")
def _walk() -> Walk:
    return walk
