"""Whole networks: gradients against a random direction in float64, through batch statistics, heads and shortcuts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cnndsl.autodiff import differentiate
from cnndsl.graph.graph import Graph, Value
from cnndsl.language.load import load_text
from cnndsl.language.recipe import parse_loss
from cnndsl.passes.context import Context, Options
from cnndsl.passes.specialise import specialise
from cnndsl.passes.training import training
from cnndsl.targets.reference.interpreter import evaluate
from cnndsl.training.step import add_loss
from tests.tolerances import GRAD64

LENET = """
model lenet {
    input image: 28x28x1
    conv(6, 5x5, pad = 2) -> tanh
    avg_pool(2x2)
    conv(16, 5x5) -> tanh
    avg_pool(2x2)
    flatten
    dense(120) -> tanh
    dense(84) -> tanh
    dense(10) as logits
}
"""
RESNET = """
block conv_bn(filters, kernel = 1x1, stride = 1) {
    conv(filters, kernel, stride = stride, pad = same_symmetric, bias = false) -> batch_norm
}
block basic(filters, stride = 1) {
    add {
        main: conv_bn(filters, 3x3, stride) -> tanh -> conv_bn(filters, 3x3)
        skip: { if stride == 1 { identity } else { conv_bn(filters, 1x1, stride) } }
    }
    tanh
}
model small {
    input image: 9x9x3
    conv_bn(4, 3x3) -> tanh
    basic(4) -> basic(6, stride = 2)
    global_avg_pool
    dense(5) as logits
}
"""
INCEPTION = """
block cr(filters, kernel = 1x1) { conv(filters, kernel, pad = same) -> tanh }
model inception {
    input image: 8x8x3
    concat {
        one:   cr(3)
        three: cr(2) -> cr(4, 3x3)
        five:  cr(2) -> cr(2, 5x5)
        pool:  avg_pool(3x3, stride = 1, pad = same) -> cr(2)
    }
    head aux { global_avg_pool -> dense(4) }
    max_pool(2x2) -> flatten
    dense(4) as logits
}
"""


@pytest.mark.parametrize(
    ("text", "loss"),
    [
        (LENET, "cross_entropy(logits)"),
        (RESNET, "cross_entropy(logits, label_smoothing = 0.1)"),
        (INCEPTION, "cross_entropy(logits) + 0.3 * cross_entropy(aux)"),
    ],
    ids=["lenet5", "resnet", "inception"],
)
def test_gradient_along_a_random_direction(text: str, loss: str) -> None:
    model = load_text(text)
    ctx = Context(None, Options(batch=4, training=True, heads=True))
    graph = training(specialise(model.graph, ctx), ctx)
    total = add_loss(graph, parse_loss(loss))
    names = [n for n, s in graph.state.items() if s.kind == "parameter"]
    gradients = differentiate(graph, total, [graph.state_values[n] for n in names])
    assert all(g is not None for g in gradients)
    graph.outputs = {"loss": total, **{n: g for n, g in zip(names, gradients, strict=True) if g is not None}}
    assert relative_error(graph, names, model.initial_weights(0)) <= GRAD64


def relative_error(graph: Graph, names: list[str], weights: dict[str, Any]) -> float:
    """|directional derivative by differences − by the gradients|, relative to it."""
    rng = np.random.default_rng(1)
    image: Value = graph.inputs["image"]
    feeds = {"image": rng.standard_normal(image.type.sizes), "label": np.array([0, 3, 1, 2], np.int32), "seed": np.uint64(0)}
    state = {n: np.asarray(x, np.float64) for n, x in weights.items()} | {"step": np.int64(0)}
    direction = {n: rng.standard_normal(state[n].shape) for n in names}

    def at(t: float) -> dict[str, Any]:
        moved = {n: state[n] + t * direction[n] if n in direction else state[n] for n in state}
        return evaluate(graph, feeds, moved, dtype="float64")[0]

    here = at(0.0)
    exact = sum(float((here[n] * direction[n]).sum()) for n in names)
    h = 1e-5
    numeric = float(at(h)["loss"] - at(-h)["loss"]) / (2 * h)
    return abs(numeric - exact) / abs(exact)
