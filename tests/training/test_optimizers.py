"""sgd against its formulas, written out."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cnndsl.ops  # registers the ops
from cnndsl.errors import CnnError
from cnndsl.graph.graph import INPUT, Graph, State
from cnndsl.graph.types import TensorType
from cnndsl.language.recipe import Call, Sgd
from cnndsl.training.optimizers import add_updates

RATES = (0.1, 0.1, 0.02, 0.3)


def step_graph(optimizer: Any, decays: bool = True) -> Graph:
    """One parameter `w` whose gradient is the input `g`."""
    graph = Graph("sgd")
    g = graph.source(INPUT, "g", TensorType((3,)))
    rate = graph.source(INPUT, "rate", TensorType(()))
    graph.add_state(State("w", TensorType((3,)), decay=decays))
    add_updates(graph, optimizer, {"w": g}, rate)
    return graph


def expected(a: Sgd, decay: float, w: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    v = np.zeros_like(w)
    for g, rate in zip(gradients, RATES, strict=True):
        g = g + decay * w
        if a.rate_in == "velocity":
            v = a.momentum * v - rate * g
            w = w + (a.momentum * v - rate * g if a.nesterov else v)
        else:
            v = a.momentum * v + g
            w = w - rate * (g + a.momentum * v if a.nesterov else v)
    return w


@pytest.mark.parametrize(
    ("momentum", "nesterov", "decay", "rate_in", "decay_on", "decays"),
    list(itertools.product((0.0, 0.9), (False, True), (0.0, 0.01), ("velocity", "update"), ("all", "weights"), (True, False))),
)
def test_sgd(
    walk: Callable[..., Any], momentum: float, nesterov: bool, decay: float, rate_in: str, decay_on: str, decays: bool
) -> None:
    rng = np.random.default_rng(1)
    a = Sgd(rate=0.1, momentum=momentum, nesterov=nesterov, weight_decay=decay, rate_in=rate_in, decay_on=decay_on)
    graph = step_graph(a, decays)
    assert ("w.velocity" in graph.state) == (momentum > 0)
    gradients, w = rng.normal(size=(4, 3)), rng.normal(size=3)
    state = {"w": w, "w.velocity": np.zeros(3)}
    for g, rate in zip(gradients, RATES, strict=True):
        state |= walk(graph, state, {"g": g, "rate": rate})[1]
    lam = decay if decay_on == "all" or decays else 0.0
    np.testing.assert_allclose(state["w"], expected(a, lam, w, gradients), rtol=1e-12)


def test_both_forms_agree_while_the_rate_stays(walk: Callable[..., Any]) -> None:
    ends = []
    for rate_in in ("velocity", "update"):
        graph = step_graph(Sgd(rate=0.1, momentum=0.9, nesterov=True, weight_decay=0.1, rate_in=rate_in))
        state = {"w": np.arange(3.0), "w.velocity": np.zeros(3)}
        for k in range(5):
            state |= walk(graph, state, {"g": np.full(3, 0.3 * k), "rate": 0.1})[1]
        ends.append(state["w"])
    np.testing.assert_allclose(*ends, rtol=1e-12)


def test_an_unknown_optimizer_is_refused() -> None:
    with pytest.raises(CnnError, match="adam cannot be run") as e:
        step_graph(Call("adam", (), {"rate": 0.1}, None))
    assert e.value.code == "E423"


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        ({"lr": 1}, "E402", "sgd has no option lr"),
        ({"rat": 1}, "E402", "did you mean rate?"),
        ({}, "E403", "sgd needs rate"),
        ({"rate": 1, "momentum": 2}, "E403", "momentum is a number from 0 to 1, not 2"),
        ({"rate": 1, "rate_in": "updates"}, "E402", "did you mean update?"),
    ],
)
def test_options_that_python_gives_are_checked_as_those_of_a_file(given: dict[str, Any], code: str, says: str) -> None:
    with pytest.raises(CnnError, match=re.escape(says)) as e:
        cnndsl.sgd(**given)
    assert e.value.code == code
    assert cnndsl.sgd(0.1, momentum=0.9) == Sgd(rate=0.1, momentum=0.9)
