"""A graph evaluated by the references of its ops in float64: the judge of step graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from cnndsl.graph.graph import Graph
from cnndsl.targets.reference.interpreter import evaluate

Walk = Callable[..., tuple[dict[str, Any], dict[str, Any]]]


@pytest.fixture(name="walk")
def _walk() -> Walk:
    """(graph, state, inputs) → (outputs, updates)."""

    def walk(graph: Graph, state: Mapping[str, Any], inputs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        return evaluate(graph, inputs, state, dtype="float64")

    return walk
