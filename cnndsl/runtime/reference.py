"""The `reference` target as something to call: every op by its meaning, in float64 on request. For tests and doubt."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np

from cnndsl.graph.batch import batched_values
from cnndsl.graph.graph import Graph
from cnndsl.passes.context import Context, Log, Options
from cnndsl.passes.dead_code import dead_code
from cnndsl.passes.inference import inference, wanted_outputs
from cnndsl.passes.specialise import specialise
from cnndsl.runtime.runnable import Array, Runnable, checked_out, sizes_of
from cnndsl.runtime.weights import fitting, reached
from cnndsl.targets.reference.interpreter import evaluate


class ReferenceExecutable(Runnable):
    """A `Runnable` that specialises the graph to the images and sizes it got, and walks it.

    dtype: what floats are computed in, and given as; None: each in its own type.
    """

    def __init__(self, graph: Graph, options: Options, dtype: str | None = None) -> None:
        outputs = wanted_outputs(graph, options)
        super().__init__(graph.name, graph, tuple(outputs), options.takes)
        self.options = options
        self.dtype = dtype
        self.weights: dict[str, Any] = {}
        self.needed = reached(graph, outputs.values())
        self.inputs = {n: replace(x, dtype=self._wide(x.dtype)) for n, x in self.inputs.items()}
        self.loaded = not self.needed

    def _wide(self, dtype: str) -> str:
        return self.dtype if self.dtype and dtype.startswith("float") else dtype

    def load(self, weights: Mapping[str, Any] | str | os.PathLike[str]) -> Self:
        self.weights = {n: np.array(x) for n, x in fitting(self.name, self.needed, weights, self.graph.state).items()}
        self.loaded = True
        return self

    def _run(self, arrays: dict[str, Array], count: int | None, out: Any) -> Any:
        images = self.options.batch if count is None else count
        sizes = sizes_of(self.graph, arrays, self.options.sizes)
        ctx = Context(None, replace(self.options, batch=max(images, 1), sizes=sizes), Log())
        graph = dead_code(inference(specialise(self.graph, ctx), ctx), ctx)
        if not images:  # a batch of none has no shape to compute with
            batched = {n for n, x in self.inputs.items() if x.batched}
            arrays = {n: np.zeros((1, *x.shape[1:]), x.dtype) if n in batched else x for n, x in arrays.items()}
        found, _ = evaluate(graph, arrays, self.weights, dtype=self.dtype)
        carries = batched_values(graph)
        found = _own({n: x[:images] if graph.outputs[n] in carries else x for n, x in found.items()})
        targets = checked_out(out, {n: (x.shape, str(x.dtype)) for n, x in found.items()})
        for target, x in zip(targets, found.values(), strict=True):
            if target is not None:
                target[...] = x
        results = tuple(x if y is None else y for y, x in zip(targets, found.values(), strict=True))
        return results[0] if len(results) == 1 else results


class ReferenceStep:
    """Like `StepExecutable`: one training step by the interpreter, in the state's own element types."""

    def __init__(self, graph: Graph, dtype: str | None = None) -> None:
        self.graph = graph
        self.dtype = dtype
        self.state: dict[str, Any] = {
            name: np.zeros(s.type.sizes, dtype if dtype and s.type.is_float else s.type.dtype)
            for name, s in graph.state.items()
        }

    def load(self, weights: Mapping[str, Any] | str | os.PathLike[str]) -> Self:
        for name, x in fitting(self.graph.name, self.graph.state, weights).items():
            self.state[name][...] = x
        return self

    def __call__(self, **inputs: Any) -> dict[str, Any]:
        outputs, updates = map(_own, evaluate(self.graph, inputs, self.state, dtype=self.dtype))  # old values, to the end
        for name, x in updates.items():
            self.state[name][...] = x
        return outputs


def _own(found: Mapping[str, Array]) -> dict[str, Array]:
    """Copies: a value that no op computes is the input or the state itself, and a value of two names is one array."""
    return {name: np.array(x) for name, x in found.items()}
