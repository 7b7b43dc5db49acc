"""Small programs for the tests of the NumPy target: an op alone in a graph, planned, printed and run."""

from __future__ import annotations

from typing import Any

import numpy as np

import cnndsl.ops  # noqa: F401  (fills the registry)
from cnndsl.graph.graph import INPUT, Graph, Origin
from cnndsl.graph.op import Op
from cnndsl.graph.types import TensorType
from cnndsl.program.plan import plan
from cnndsl.runtime.load import load_source
from cnndsl.targets.numpy import TARGET


def arrays_of(sample: Any, seed: int = 1) -> list[np.ndarray[Any, Any]]:
    """The sample's arrays; a tuple stands for a random one of that shape."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(x) if isinstance(x, tuple) else np.asarray(x) for x in sample.arrays]


def narrow(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return x.astype(np.float32) if x.dtype == np.float64 else x


def run_op(op: Op, attrs: dict[str, Any], arrays: list[np.ndarray[Any, Any]], batched: list[bool], workers: int = 1) -> Any:
    """(results of the printed program, its text) for one op on float32 arrays."""
    graph = Graph("sample")
    values = []
    for i, (x, b) in enumerate(zip(arrays, batched, strict=True)):
        values.append(graph.source(INPUT, f"in{i}", TensorType(x.shape, str(x.dtype)), Origin(f"in{i}"), b))
    a = op.attrs(**attrs)
    if op.resolve:
        a = op.resolve(a, *(v.type for v in values))
    for i, y in enumerate(graph.add(op, values, a, Origin(op.name))):
        graph.output(y, f"out{i}")
    many = attrs.get("lanes", 1) if op.name not in ("to_lanes", "repeat_lanes") else 1  # images in a place of axis 0
    batch = many * next((x.shape[0] for x, b in zip(arrays, batched, strict=True) if b), 1)
    program = plan(graph, TARGET, batch, workers)
    text = TARGET.emit(program)
    module = load_source(text, "sample")
    net = module.Network()
    net.load({})
    outs = [np.full(y.type.sizes, 7, y.type.dtype) for y in graph.outputs.values()]
    net.run_batch(net.arena(), *arrays, *outs)
    return outs, text
