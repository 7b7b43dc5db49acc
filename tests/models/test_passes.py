"""Every bundled network, cut down, through each pass alone, all, and all but one: in inference and as a training step.

Batch-norm statistics are random, γ of both signs. Judge: the meaning of the graph in float64, of the logits and heads
in inference, and of all gradients together in training, read from the optimiser's slots.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cnndsl
from cnndsl.graph.graph import Graph
from cnndsl.language.recipe import Sgd, parse_loss
from cnndsl.passes.pipelines import INFERENCE, TRAINING
from cnndsl.passes.runner import REQUIRED
from cnndsl.program.check import check
from cnndsl.runtime.compile import compile_step_graph
from cnndsl.targets.reference.interpreter import evaluate, walk
from cnndsl.training.step import build_step
from tests.differential.judge import full_of_nans, meaning
from tests.models.scaled import FAMILIES, feeds, fitted, scaled
from tests.tolerances import GRAD32, NETWORK, distance

EXACT = 1e-8
"""Of networks of a hundred layers in float64, whose sums are formed in another order."""
NEARBY = 1e-6
"""Relative: a program in float32 may answer as the exact answer to images and weights that lie so near (Higham, Accuracy and
Stability of Numerical Algorithms, 1.5). Where a ReLU's input or a pool's two largest nearly tie, that moves a gradient by more
than GRAD32: batch norms over four small maps have moved by up to 0.1, whatever computes them."""
BATCH = 4
Choice = frozenset[str]


def choices(pipeline: Any) -> dict[str, Choice]:
    """What is left out: nothing, all but one pass, one pass, all."""
    names = list(dict.fromkeys(p.__name__ for p in pipeline if p.__name__ not in REQUIRED))
    found: dict[str, Choice] = {"all": frozenset(), "none": frozenset(names)}
    for name in names:
        found[f"{name} alone"] = frozenset(names) - {name}
        found[f"without {name}"] = frozenset({name})
    return found


def before_softmax(graph: Graph) -> None:
    """Let the graph return what goes into its softmax, and its heads."""
    ends = {k: v.node.operands[0] if v.node.op.name == "softmax" else v for k, v in graph.outputs.items()}
    graph.outputs = ends | graph.heads
    graph.heads = {}


def infer(name: str, left_out: dict[str, Choice], threads: int) -> list[str]:
    """All that is wrong with inference."""
    graph, _ = scaled(name)
    before_softmax(graph)
    given = feeds(graph, BATCH)
    weights = fitted(graph, given)
    values = walk(graph, given, weights, dtype="float64")
    wrong = []
    for what, without in left_out.items():
        run: Any = cnndsl.compile(graph, weights, batch=BATCH, threads=threads, without=without)
        wrong += [f"{what}: {x}" for x in check(run.program)]
        exact = meaning(run.graph, given, weights)[0]
        run.network.spare.append(full_of_nans(run.network.arena()))
        found = run(**given)
        for y, (key, v) in zip(found if isinstance(found, tuple) else (found,), graph.outputs.items(), strict=True):
            if not distance(exact[key], values[v]) <= EXACT:
                wrong.append(f"{what}: {key} is off by {distance(exact[key], values[v]):.2g} in float64")
            if not distance(y, values[v]) <= NETWORK:
                wrong.append(f"{what}: {key} is off by {distance(y, values[v]):.2g}")
    return wrong


def train(name: str, left_out: dict[str, Choice], threads: int) -> list[str]:
    """All that is wrong with a training step: its loss, all gradients together, running statistics."""
    net, recipe = scaled(name)
    terms = recipe.loss if recipe is not None else parse_loss("mse(output)")
    graph = build_step(net, terms, Sgd(rate=0.0, momentum=0.9, rate_in="update"), BATCH)
    images = feeds(net, BATCH)
    state = {k: np.zeros(s.type.sizes, s.type.dtype) for k, s in graph.state.items()} | fitted(net, images)
    rng = np.random.default_rng(5)
    given = dict(images)
    for key, v in graph.inputs.items():
        if key == "label":
            classes = min(n.operands[0].type.sizes[-1] for n in graph.nodes if n.op.name == "cross_entropy")
            given[key] = rng.integers(0, classes, v.type.sizes).astype(np.int32)
        elif key not in given:
            given[key] = np.asarray(rng.standard_normal(v.type.sizes) if v.type.rank else 0, v.type.dtype)
    outputs, updates = evaluate(graph, given, state, dtype="float64")
    wrong = []
    allowed = GRAD32
    for what, without in left_out.items():
        run = compile_step_graph(graph, state, batch=BATCH, threads=threads, without=without)
        wrong += [f"{what}: {x}" for x in check(run.program)]
        exact = meaning(run.graph, given, state)
        wrong += [f"{what}: {x} in float64" for x in apart(graph, exact[0], exact[1], outputs, updates, EXACT, EXACT)]
        run.network.spare.append(full_of_nans(run.network.arena()))
        found = run(**given)
        if allowed == GRAD32 and max(gradients_apart(graph, run.state, updates).values()) > GRAD32:
            allowed = max(GRAD32, nearby(graph, given, state, updates))
        wrong += [f"{what}: {x}" for x in apart(graph, found, run.state, outputs, updates, NETWORK, allowed)]
    return wrong


def nearby(graph: Graph, given: Any, state: Any, updates: Any) -> float:
    """How far the exact gradients of three nearby problems are from those of this one."""
    found = []
    for seed in range(3):
        rng = np.random.default_rng(seed)

        def moved(x: Any, rng: Any = rng) -> Any:
            x = np.asarray(x)
            return x * (1 + NEARBY * rng.standard_normal(x.shape)) if x.dtype.kind == "f" else x

        near = [{k: moved(x) for k, x in each.items()} for each in (given, state)]
        _, after = evaluate(graph, *near, dtype="float64")
        found.append(max(gradients_apart(graph, after, updates).values()))
    return max(found)


def gradients_apart(graph: Graph, after: Any, updates: Any, kind: str = "slot") -> dict[str, float]:
    """How far each gradient is off, as a part of the largest of all; with `buffer`, the running statistics."""
    names = [n for n in after if graph.state[n].kind == kind and n in updates]
    largest = max((np.abs(updates[n]).max() for n in names), default=1.0)
    return {n: float(np.abs(after[n] - updates[n]).max() / largest) for n in names}


def apart(graph: Graph, found: Any, after: Any, outputs: Any, updates: Any, tol: float, gradients: float) -> list[str]:
    """What differs: the loss, the gradients over all together, the running statistics over all together."""
    wrong = []
    if not distance(found["loss"], outputs["loss"]) <= tol:
        wrong.append(f"the loss is off by {distance(found['loss'], outputs['loss']):.2g}")
    for kind, limit in (("slot", gradients), ("buffer", tol)):
        off = gradients_apart(graph, after, updates, kind)
        worst = max(off, key=off.__getitem__, default="")
        if worst and not off[worst] <= limit:
            wrong.append(f"{worst} is off by {off[worst]:.2g} of the largest {kind}, allowed {limit:.2g}")
    return wrong


EVERYDAY = ("lenet5", "alexnet", "squeezenet", "resnet20", "mobilenet_v2", "inception_reduced")
"""Each with two of the choices, which change from one network to the next."""


def part(pipeline: Any, k: int) -> dict[str, Choice]:
    found = list(choices(pipeline).items())
    return dict(found[(2 * k) % len(found) :][:2])


@pytest.mark.parametrize("name", EVERYDAY)
def test_a_few(name: str) -> None:
    k = EVERYDAY.index(name)
    assert infer(name, part(INFERENCE, k), 1 + k % 2) == []
    if name in ("lenet5", "squeezenet", "inception_reduced"):
        assert train(name, part(TRAINING, k), 1 + k % 2) == []


@pytest.mark.campaign
@pytest.mark.parametrize("name", FAMILIES)
def test_inference_of_every_network(name: str) -> None:
    assert infer(name, choices(INFERENCE), 1 + len(name) % 2) == []


@pytest.mark.campaign
@pytest.mark.parametrize("name", FAMILIES)
def test_training_of_every_network(name: str) -> None:
    assert train(name, choices(TRAINING), 1 + len(name) % 2) == []
