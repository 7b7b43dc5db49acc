"""The gradient of a training step's loss against central differences, in float64, read from its own updates."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnndsl.autodiff import differentiate
from cnndsl.graph.graph import Graph, rewrite
from cnndsl.targets.reference.interpreter import evaluate

STEPS = (1e-5, 1e-6, 1e-7, 1e-8)
Arrays = dict[str, Any]


def along_a_direction(step: Graph, given: Arrays, state: Arrays) -> float:
    """|by differences − by the gradients| along a random direction of all parameters; the best of four steps, for kinks."""
    graph = rewrite(step, lambda out, node, operands: None)
    loss = graph.outputs["loss"]
    names = [n for n, s in graph.state.items() if s.kind == "parameter"]
    found = differentiate(graph, loss, [graph.state_values[n] for n in names])
    graph.updates = {}
    graph.outputs = {"loss": loss, **{n: g for n, g in zip(names, found, strict=True) if g is not None}}
    wide = {n: np.asarray(x, np.float64) if np.asarray(x).dtype == np.float32 else x for n, x in state.items()}
    rng = np.random.default_rng(1)
    along = {n: rng.standard_normal(np.shape(wide[n])) for n in names}
    here = evaluate(graph, given, wide, dtype="float64")[0]
    exact = sum(float((here[n] * along[n]).sum()) for n in names if n in here)
    size = sum(float(np.sqrt((here[n] ** 2).sum() * (along[n] ** 2).sum())) for n in names if n in here)
    graph.outputs = {"loss": loss}

    def value(t: float) -> float:
        moved = {n: x + t * along[n] if n in along else x for n, x in wide.items()}
        return float(evaluate(graph, given, moved, dtype="float64")[0]["loss"])

    best = float("inf")
    for h in STEPS:
        apart = abs((value(h) - value(-h)) / (2 * h) - exact)
        best = min(best, apart / max(abs(exact), 0.01 * size, 1e-6))
    return best
