"""Small networks and their training steps, as graphs that are ready to be planned."""

from __future__ import annotations

from typing import Any

import numpy as np

import cnndsl.ops  # noqa: F401  (registers the words)
from cnndsl.graph.graph import Graph
from cnndsl.language.recipe import Call, LossTerm, Sgd
from cnndsl.passes.context import Context, Options
from cnndsl.passes.pipelines import INFERENCE, TRAINING
from cnndsl.passes.runner import run_passes
from cnndsl.targets.cupy import TARGET
from cnndsl.training.step import build_step


def lenet5() -> Graph:
    g = Graph("lenet5")
    x = g.input("image", (28, 28, 1)).conv(6, (5, 5), pad=2).tanh().avg_pool((2, 2))
    x = x.conv(16, (5, 5)).tanh().avg_pool((2, 2)).flatten().dense(120).tanh().dense(84).tanh()
    g.output(x.dense(10, name="logits").softmax())
    return g


def residual() -> Graph:
    """A residual block with projection, an inception-like join, batch norm, both pools, dropout."""
    g = Graph("residual")
    x = g.input("image", (9, 8, 3)).conv(8, (3, 3), pad="same", bias=False).batch_norm().relu()
    y = (
        x.conv(12, (3, 3), stride=2, pad="same", groups=2)
        .batch_norm()
        .leaky_relu(0.1)
        .conv(12, (3, 3), pad=1, pad_mode="reflect")
    )
    x = x.conv(12, (1, 1), stride=2).add(y).relu()
    x = x.max_pool((3, 3), stride=1, pad="same").concat(x.avg_pool((3, 3), stride=1, pad=1)).dropout(0.3)
    g.output(x.global_avg_pool().dense(10, name="logits").softmax())
    return g


def specialised(g: Graph, batch: int) -> Graph:
    return run_passes(g, INFERENCE, Context(TARGET, Options(batch=batch)))


def step_graph(g: Graph, batch: int) -> Graph:
    """One training step: SGD with Nesterov's momentum and weight decay, through the passes for training."""
    loss = (LossTerm(1.0, Call("cross_entropy", ("logits",), {"label_smoothing": 0.1}, None)),)
    optimizer = Sgd(rate=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3)
    return run_passes(build_step(g, loss, optimizer, batch), TRAINING, Context(TARGET, Options(batch=batch, training=True)))


def random_weights(g: Graph) -> dict[str, Any]:
    """Parameters and buffers: initial weights, but biases, γ, β and the statistics at random."""
    rng = np.random.default_rng(0)
    found = g.initial_weights(0)
    for name, x in found.items():
        last = name.rsplit(".", 1)[-1]
        if last in ("gamma", "variance"):
            found[name] = rng.uniform(0.5, 1.5, x.shape).astype(np.float32)
        elif last in ("bias", "beta", "mean"):
            found[name] = rng.normal(0, 0.2, x.shape).astype(np.float32)
    return found
