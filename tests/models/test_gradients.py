"""The gradients of every family of bundled networks, at reduced size, along a random direction in float64.

Central differences of the whole training loss, heads and batch statistics included, with the dropout of one step held
fixed. ReLU and max pooling have kinks, and a deep network has so many that a step may cross one (ResNet-50: errors of
2e-3 at 1e-6, of 2e-8 at 1e-8). A wrong gradient is wrong at every step, so the best of five steps counts.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from cnndsl.autodiff import differentiate
from cnndsl.language.load import bundled_models, load_text
from cnndsl.passes.context import Context, Options
from cnndsl.passes.specialise import specialise
from cnndsl.passes.training import training
from cnndsl.targets.reference.interpreter import evaluate
from cnndsl.training.step import add_loss
from tests.tolerances import GRAD64

STEPS = (1e-6, 1e-7, 1e-8, 1e-9, 3e-10)
SMALL = {"lenet5": "", "course": "", "resnet20": "16x16x3", "preact_e": "8x8x3", "tower8": "8x8x1", "four_tanh": "8x8x1"}
LARGE = {
    "alexnet": "67x67x3", "vgg11_lrn": "32x32x3", "googlenet": "96x96x3", "bn_inception": "64x64x3",
    "inception_v2": "107x107x3", "inception_v3": "299x299x3", "resnet18": "64x48x3", "resnet50": "33x64x3",
    "plain18": "32x32x3", "resnet34_a": "32x32x3", "preact_a": "8x8x3", "preact_b": "8x8x3", "preact_c": "8x8x3",
    "preact_d": "8x8x3", "mobilenet_v2": "64x64x3", "densenet121": "32x64x3", "squeezenet": "47x47x3",
    "unet": "188x188x1", "se_resnet50": "32x32x3", "resnext50": "32x32x3", "efficientnet_b0": "64x64x3",
}  # fmt: skip
"""name → its input here; nothing: as it is."""


SMOOTH = ("inception_v2", "inception_v3")
"""Where kinks lie so close that every step crosses some: tested with silu for relu and averages for maxima."""


def smaller(name: str, size: str) -> Any:
    """The bundled model with another input and without notes on shapes, which the input's size decides."""
    path = bundled_models()[name]
    texts = {}
    for each in path.parent.glob("*.cnn"):
        text = each.read_text()
        if size:
            text = re.sub(r"^(    input image: )[\dx]+$", rf"\g<1>{size}", text, flags=re.MULTILINE)
            text = re.sub(r"\s+:\s*[\dHW_]+(x[\dHW_]+)*$", "", text, flags=re.MULTILINE)
        if name in SMOOTH:
            text = text.replace("-> relu", "-> silu").replace("max_pool(", "avg_pool(")
        texts[each.name] = text
    used = re.findall(r'^use "(.*)"$', texts[path.name], flags=re.MULTILINE)
    text = texts[path.name]
    for other in used:
        head = re.split(r"^(?:train|eval|preprocess)\b", texts[other], flags=re.MULTILINE)[0]
        text = text.replace(f'use "{other}"', head)
    return load_text(text, model=name, classes=5)


def relative_error(model: Any) -> float:
    """|directional derivative by differences − by the gradients|, relative to it."""
    rng = np.random.default_rng(1)
    ctx = Context(None, Options(batch=3, training=True, heads=True))
    graph = training(specialise(model.graph, ctx), ctx)
    total = add_loss(graph, model.train.loss)
    names = [n for n, s in graph.state.items() if s.kind == "parameter"]
    gradients = differentiate(graph, total, [graph.state_values[n] for n in names])
    assert all(g is not None for g in gradients)
    label = rng.integers(0, 5, graph.inputs["label"].type.sizes).astype(np.int32)
    feeds = {"image": rng.standard_normal(graph.inputs["image"].type.sizes), "label": label, "seed": np.uint64(0)}
    state = {n: np.asarray(x, np.float64) for n, x in model.initial_weights(0).items()} | {"step": np.int64(0)}
    direction = {n: rng.standard_normal(state[n].shape) * max(float(state[n].std()), 0.1) for n in names}

    graph.outputs = {"loss": total, **{n: g for n, g in zip(names, gradients, strict=True) if g is not None}}
    here = evaluate(graph, feeds, state, dtype="float64")[0]
    exact = sum(float((here[n] * direction[n]).sum()) for n in names)
    graph.outputs = {"loss": total}

    def loss(t: float) -> float:
        moved = {n: state[n] + t * direction[n] if n in direction else state[n] for n in state}
        return float(evaluate(graph, feeds, moved, dtype="float64")[0]["loss"])

    best = float("inf")
    for h in STEPS:
        best = min(best, abs((loss(h) - loss(-h)) / (2 * h) - exact) / abs(exact))
        if best <= GRAD64 / 10:
            break
    return best


@pytest.mark.parametrize("name", SMALL)
def test_small_networks(name: str) -> None:
    assert relative_error(smaller(name, SMALL[name])) <= GRAD64


@pytest.mark.campaign
@pytest.mark.parametrize("name", LARGE)
def test_networks(name: str) -> None:
    assert relative_error(smaller(name, LARGE[name])) <= GRAD64
