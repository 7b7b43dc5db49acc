"""Programs to print and run: every op's samples side by side in one graph, so that one compiler run is enough."""

from __future__ import annotations

from typing import Any

import numpy as np

import cnndsl.ops
from cnndsl.graph.graph import Graph, Value
from cnndsl.program.plan import plan
from cnndsl.program.program import Program
from cnndsl.targets.cupy import TARGET

CASES = [(f"{op.name}_{k}", op, s) for op in cnndsl.ops.OPS for k, s in enumerate(op.samples) if op.name != "random_bits"]
"""All but `random_bits`, which makes a batch, so that each sample needs a program of its own batch."""


def float32(x: Any) -> Any:
    return x.astype(np.float32) if x.dtype.kind == "f" else x


def sample_arrays(s: Any, seed: int) -> list[Any]:
    """The sample's arrays as float32; a shape stands for numbers away from zero, drawn by a fixed seed."""
    rng = np.random.default_rng(seed)
    drawn = (rng.uniform(0.2, 1.5, x) * rng.choice([-1.0, 1.0], x) if isinstance(x, tuple) else x for x in s.arrays)
    return [float32(np.asarray(x)) for x in drawn]


def all_samples() -> tuple[Graph, dict[str, Any], dict[str, Any]]:
    """The graph, its inputs by name, and what its outputs must be: the ops' meaning in float64."""
    g = Graph("samples")
    given: dict[str, Any] = {}
    wanted: dict[str, Any] = {}
    for n, (name, op, s) in enumerate(CASES):
        arrays = sample_arrays(s, n)
        operands: list[Value] = []
        for k, x in enumerate(arrays):
            given[f"{name}_x{k}"] = x
            operands.append(g.input(f"{name}_x{k}", x.shape, str(x.dtype), batched=False))
        a = op.attrs(**s.attrs)
        if op.resolve is not None:
            a = op.resolve(a, *(v.type for v in operands))
        with np.errstate(all="ignore"):
            found = op.reference(np, a, *(x.astype(np.float64) if x.dtype.kind == "f" else x for x in arrays))
        for k, (y, want) in enumerate(zip(g.add(op, operands, a), found, strict=True)):
            g.output(y, f"{name}_y{k}")
            wanted[f"{name}_y{k}"] = want
    return g, given, wanted


def program(g: Graph, batch: int = 1, training: bool = False) -> Program:
    return plan(g, TARGET, batch, 1, training)
