"""Graphs to plan, and a target that chooses without computing: planning needs costs, not kernels."""

from __future__ import annotations

import cnndsl.ops  # noqa: F401  (registers the words)
from cnndsl.graph.graph import Graph, Node, State, Value
from cnndsl.graph.target import Choice, Target
from cnndsl.graph.types import TensorType
from cnndsl.passes.context import Context, Log, Options
from cnndsl.passes.dead_code import dead_code
from cnndsl.passes.specialise import specialise
from cnndsl.program.program import Program


class Paper(Target):
    """A target that runs nothing. seconds: what every kernel is said to take."""

    name = "paper"

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds = seconds

    def refuses_fusion(self, anchor: Node | None, inner: Node, place: str) -> str | None:
        return "this target runs nothing"

    def choose(self, node: Node, workers: int) -> Choice:
        return Choice("paper", seconds=self.seconds)

    def emit(self, program: Program) -> str:
        return ""


def bound(graph: Graph, batch: int) -> Graph:
    ctx = Context(None, Options(batch=batch), Log())
    return dead_code(specialise(graph, ctx), ctx)


def chain(depth: int = 4) -> Graph:
    g = Graph("chain")
    x = g.input("image", (8, 8, 3))
    for _ in range(depth):
        x = x.conv(4, (3, 3), pad=1).relu()
    g.output(x)
    return g


def branches() -> Graph:
    """Values of different lives: a residual, a concat, a head output, a view."""
    g = Graph("branches")
    x = g.input("image", (8, 8, 3)).conv(8, (3, 3), pad=1)
    y = x.relu().conv(8, (3, 3), pad=1).add(x)
    z = y.concat(x.sigmoid(), y.tanh().conv(4, (1, 1)))
    g.output(z.max_pool((2, 2)).flatten().dense(5))
    g.output(y, "middle")
    return g


def step(batch: int = 4) -> Graph:
    """A training step in miniature: sums over images, totals that are read, updates of two states."""
    g = Graph("step")
    x = _given(g, "image", (batch, 6))
    w = g.add_state(State("w", TensorType((6, 3))))
    v = g.add_state(State("w.velocity", TensorType((6, 3)), "slot"))
    y = g.matmul(x, w, transpose_a=False, transpose_b=False)
    gy = g.pointwise(lambda e, a: a * 2.0, y)
    gw = g.matmul(x, gy, transpose_a=True, transpose_b=False)
    velocity = g.pointwise(lambda e, a, b: a * 0.9 + b, v, gw)
    g.update("w.velocity", velocity)
    g.update("w", g.pointwise(lambda e, a, b: a - b * 0.1, w, velocity))
    g.output(g.reduce_sum(y, axes=(0, 1)), "loss")
    return g


def _given(g: Graph, name: str, shape: tuple[int, ...]) -> Value:
    from cnndsl.graph.graph import INPUT

    return g.source(INPUT, name, TensorType(shape), batched=True)
