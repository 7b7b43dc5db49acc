"""The `reference` target as something to call: every op by its meaning, in float64 on request. For tests and doubt."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from cnndsl.graph.graph import Graph
from cnndsl.passes.context import Context, Log, Options
from cnndsl.runtime.weights import fitting


class ReferenceExecutable:
    """Like `Executable`, but each call specialises the graph to the number of images it got, and walks it."""

    def __init__(self, graph: Graph, options: Options, dtype: str | None = None) -> None:
        self.graph = graph
        self.options = options
        self.dtype = dtype
        self.weights: dict[str, Any] = {}

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(self.graph.outputs)

    def load(self, weights: Mapping[str, Any] | str | os.PathLike[str]) -> ReferenceExecutable:
        self.weights = fitting(self.graph, weights)
        return self

    def __call__(self, *images: Any, **named: Any) -> Any:
        from dataclasses import replace

        from cnndsl.passes.inference import inference
        from cnndsl.passes.specialise import specialise
        from cnndsl.targets.reference.interpreter import evaluate

        given = dict(zip(self.graph.inputs, map(np.asarray, images), strict=False)) | named
        count = next(iter(given.values())).shape[0]
        ctx = Context(None, replace(self.options, batch=count), Log())
        graph = inference(specialise(self.graph, ctx), ctx)
        outputs, _ = evaluate(graph, given, self.weights, dtype=self.dtype)
        found = tuple(outputs.values())
        return found[0] if len(found) == 1 else found


class ReferenceStep:
    """Like `StepExecutable`: one training step by the interpreter, in the state's own element types."""

    def __init__(self, graph: Graph, dtype: str | None = None) -> None:
        self.graph = graph
        self.dtype = dtype
        self.state: dict[str, Any] = {
            name: np.zeros(s.type.sizes, dtype if dtype and s.type.is_float else s.type.dtype)
            for name, s in graph.state.items()
        }

    def load(self, weights: Mapping[str, Any] | str | os.PathLike[str]) -> ReferenceStep:
        for name, x in fitting(self.graph, weights).items():
            self.state[name][...] = x
        return self

    def __call__(self, **inputs: Any) -> dict[str, Any]:
        from cnndsl.targets.reference.interpreter import evaluate

        outputs, updates = evaluate(self.graph, inputs, self.state, dtype=self.dtype)
        for name, x in updates.items():
            self.state[name][...] = x
        return outputs
