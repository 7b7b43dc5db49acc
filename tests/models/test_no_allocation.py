"""In steady state no bundled network takes memory: no line of a run or of a step of its recipe allocates 64 KB.

As published, on two images; whatever the calls need besides lies in the arena and in the workers' scratch. Line by line,
because thousands of small objects, the views that kernels make of the arena, are together more than that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cnndsl
from cnndsl.language.recipe import Sgd, parse_loss
from cnndsl.runtime.compile import compile_step_graph
from cnndsl.training.step import build_step, recipe_step
from tests.models.test_counts import COUNTS
from tests.runtime.test_steady_state import largest

LIMIT = 64 * 1024
BATCH = 2
SMALL = ("lenet5", "resnet20", "inception_reduced")


def sizes_of(name: str) -> dict[str, int]:
    return {"H": 128, "W": 128} if "hourglass" in name else {}


def of_a_run(name: str) -> int:
    net = cnndsl.load(name)
    run: Any = cnndsl.compile(net, net.initial_weights(0), batch=BATCH, threads=1, sizes=sizes_of(name))
    rng = np.random.default_rng(0)
    given = {n: rng.standard_normal((BATCH, *x.shape)).astype(x.dtype) for n, x in run.inputs.items()}
    first = run(**given)
    out = list(first) if isinstance(first, tuple) else first
    return largest(lambda: run(**given, out=out))


def of_a_step(name: str) -> int:
    net = cnndsl.load(name)
    if net.train is None:
        graph = build_step(net, parse_loss("mse(output)"), Sgd(0.0, 0.9), BATCH, sizes=sizes_of(name))
    else:
        graph = recipe_step(net, net.train, BATCH, (), sizes_of(name))
    state = {n: np.zeros(s.type.sizes, s.type.dtype) for n, s in graph.state.items()} | net.initial_weights(0)
    step = compile_step_graph(graph, state, batch=BATCH, threads=1)
    rng = np.random.default_rng(0)
    given: dict[str, Any] = {}
    for key, x in graph.inputs.items():
        numbers = rng.standard_normal(x.type.sizes) if x.type.rank and x.type.is_float else np.zeros(x.type.sizes)
        given[key] = np.asarray(numbers, x.type.dtype)
    return largest(lambda: step(**given))


@pytest.mark.parametrize("name", SMALL)
def test_a_few(name: str) -> None:
    assert of_a_run(name) < LIMIT
    assert of_a_step(name) < LIMIT


@pytest.mark.campaign
@pytest.mark.parametrize("name", sorted(COUNTS))
def test_a_run(name: str) -> None:
    assert of_a_run(name) < LIMIT


@pytest.mark.campaign
@pytest.mark.parametrize("name", sorted(COUNTS))
def test_a_step(name: str) -> None:
    assert of_a_step(name) < LIMIT
