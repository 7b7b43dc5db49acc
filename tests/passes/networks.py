"""Small networks, weights that a wrong fold would show, and passes run against the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import cnndsl.ops  # noqa: F401  (fills the registry)
from cnndsl.graph.graph import Graph
from cnndsl.graph.verify import verify
from cnndsl.passes.context import Context, Log, Options
from cnndsl.passes.runner import Pass, run_passes
from cnndsl.passes.specialise import specialise
from cnndsl.targets.reference.interpreter import evaluate

BATCH = 3


def context(**options: Any) -> Context:
    return Context(None, Options(batch=BATCH, **options), Log())


def weights(graph: Graph, seed: int = 1) -> dict[str, Any]:
    """Random numbers for all state: gammas of both signs, betas and means away from 0, variances above 0."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, s in graph.state.items():
        drawn = rng.standard_normal(s.type.sizes)
        found[name] = (np.abs(drawn) + 0.3 if name.endswith("variance") else drawn).astype(s.type.dtype)
    return found


def inputs(graph: Graph, seed: int = 2) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    found = {}
    for name, v in graph.inputs.items():
        drawn = rng.standard_normal(v.type.sizes) if v.type.is_float else rng.integers(0, 3, v.type.sizes)
        found[name] = np.asarray(drawn, v.type.dtype)
    return found


def bound(graph: Graph) -> Graph:
    return specialise(graph, context())


def after(graph: Graph, passes: Sequence[Pass], ctx: Context) -> Graph:
    """The graph after the passes; its numbers in float64 are those of the graph before, on random weights."""
    found = run_passes(graph, passes, ctx)
    verify(found, specialised=True)
    state, given = weights(graph), inputs(graph)
    for old, new in zip(
        evaluate(graph, given, state, dtype="float64"), evaluate(found, given, state, dtype="float64"), strict=True
    ):
        assert old.keys() == new.keys()
        for name in old:
            np.testing.assert_allclose(new[name], old[name], rtol=1e-10, atol=1e-10 * max(1, float(np.abs(old[name]).max())))
    return found


def words(graph: Graph) -> list[str]:
    """The ops that run, in order; a fused node as those inside."""
    found = []
    for n in graph.nodes:
        if n.op.name == "fused":
            found.append("+".join(i.op.name for i in n.attrs.inner.nodes if i.op.name not in ("input", "constant")))
        elif n.op.name not in ("input", "state", "constant"):
            found.append(n.op.name)
    return found


def refusals(ctx: Context) -> list[str]:
    return [e.why for e in ctx.log.entries if e.why]


def residual() -> Graph:
    """A stem and one residual block with a projection."""
    g = Graph("residual")
    x = g.input("image", (8, 8, 3)).conv(4, (3, 3), pad=1, bias=False).batch_norm().relu()
    y = x.conv(6, (3, 3), stride=2, pad=1, groups=2).batch_norm().relu().conv(6, (3, 3), pad=1, bias=False).batch_norm()
    y = y.add(x.conv(6, (1, 1), stride=2, bias=False).batch_norm()).relu()
    y = y.global_avg_pool().dense(5, name="logits")
    g.names["logits"] = y
    g.output(y)
    return g
