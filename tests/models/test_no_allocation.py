"""In steady state no bundled network takes memory: neither a run nor a step of its recipe allocates 64 KB at once.

As published, on two images; whatever the calls need besides lies in the arena and in the workers' scratch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cnndsl
from cnndsl.language.load import bundled_models
from cnndsl.language.recipe import Sgd, parse_loss
from cnndsl.runtime.compile import compile_step_graph
from cnndsl.training.step import build_step, recipe_step
from tests.runtime.test_steady_state import most

LIMIT = 64 * 1024
BATCH = 2
SMALL = ("lenet5", "resnet20", "inception_reduced")


def sizes_of(name: str) -> dict[str, int]:
    return {"H": 128, "W": 128} if "hourglass" in name else {}


def of_a_run(name: str, threads: int) -> int:
    net = cnndsl.load(name)
    run: Any = cnndsl.compile(net, net.initial_weights(0), batch=BATCH, threads=threads, sizes=sizes_of(name))
    rng = np.random.default_rng(0)
    given = {n: rng.standard_normal((BATCH, *x.shape)).astype(x.dtype) for n, x in run.inputs.items()}
    first = run(**given)
    out = list(first) if isinstance(first, tuple) else first
    return most(lambda: run(**given, out=out))


def of_a_step(name: str, threads: int) -> int:
    net = cnndsl.load(name)
    if net.train is None:
        graph = build_step(net, parse_loss("mse(output)"), Sgd(0.0, 0.9), BATCH, sizes=sizes_of(name))
    else:
        graph = recipe_step(net, net.train, BATCH, (), sizes_of(name))
    state = {n: np.zeros(s.type.sizes, s.type.dtype) for n, s in graph.state.items()} | net.initial_weights(0)
    step = compile_step_graph(graph, state, batch=BATCH, threads=threads)
    rng = np.random.default_rng(0)
    given: dict[str, Any] = {}
    for key, x in graph.inputs.items():
        numbers = rng.standard_normal(x.type.sizes) if x.type.rank and x.type.is_float else np.zeros(x.type.sizes)
        given[key] = np.asarray(numbers, x.type.dtype)
    return most(lambda: step(**given))


@pytest.mark.parametrize("name", SMALL)
def test_a_few(name: str) -> None:
    assert of_a_run(name, 2) < LIMIT
    assert of_a_step(name, 1) < LIMIT


@pytest.mark.campaign
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", bundled_models())
def test_a_run(name: str, threads: int) -> None:
    assert of_a_run(name, threads) < LIMIT


@pytest.mark.campaign
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", bundled_models())
def test_a_step(name: str, threads: int) -> None:
    assert of_a_step(name, threads) < LIMIT
