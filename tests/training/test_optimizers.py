"""The optimizers, clipping and the average of weights against their formulas, written out in float64."""

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
from cnndsl.language.recipe import Adam, AdamW, Call, RmsProp, Sgd
from cnndsl.training.optimizers import add_average, add_updates, clipped, count_step

RATES = (0.1, 0.1, 0.02, 0.3)


def step_graph(optimizer: Any, decays: bool = True, average: Call | None = None) -> Graph:
    """One parameter `w` whose gradient is the input `g`."""
    graph = Graph("sgd")
    g = graph.source(INPUT, "g", TensorType((3,)))
    rate = graph.source(INPUT, "rate", TensorType(()))
    graph.add_state(State("w", TensorType((3,)), decay=decays))
    add_updates(graph, optimizer, {"w": g}, rate)
    add_average(graph, average, {"w": g})
    count_step(graph)
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
    state = {"w": w, "w.velocity": np.zeros(3), "step": np.int64(0)}
    for g, rate in zip(gradients, RATES, strict=True):
        state |= walk(graph, state, {"g": g, "rate": rate})[1]
    lam = decay if decay_on == "all" or decays else 0.0
    np.testing.assert_allclose(state["w"], expected(a, lam, w, gradients), rtol=1e-12)


def test_both_forms_agree_while_the_rate_stays(walk: Callable[..., Any]) -> None:
    ends = []
    for rate_in in ("velocity", "update"):
        graph = step_graph(Sgd(rate=0.1, momentum=0.9, nesterov=True, weight_decay=0.1, rate_in=rate_in))
        state = {"w": np.arange(3.0), "w.velocity": np.zeros(3), "step": np.int64(0)}
        for k in range(5):
            state |= walk(graph, state, {"g": np.full(3, 0.3 * k), "rate": 0.1})[1]
        ends.append(state["w"])
    np.testing.assert_allclose(*ends, rtol=1e-12)


STEPS = 50


def trained(walk: Callable[..., Any], optimizer: Any, gradients: np.ndarray, w: np.ndarray, **extra: Any) -> dict[str, Any]:
    """The state after one step per gradient, in float64, at a rate that changes."""
    graph = step_graph(optimizer, **extra)
    state: dict[str, Any] = {n: np.zeros(s.type.sizes, s.type.dtype) for n, s in graph.state.items()} | {"w": w}
    for k, g in enumerate(gradients):
        state |= walk(graph, state, {"g": g, "rate": rate_at(k)})[1]
    return state


def rate_at(step: int) -> float:
    return 0.01 * 0.97**step


def draws() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    return rng.normal(size=(STEPS, 3)) * np.array([1e-3, 1.0, 30.0]), rng.normal(size=3)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("beta1", [0.9, 0.0])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adam_is_algorithm_1_of_its_paper(walk: Callable[..., Any], apart: bool, beta1: float, decay: float) -> None:
    gradients, w = draws()
    kind = AdamW if apart else Adam
    state = trained(walk, kind(rate=0.01, beta1=beta1, beta2=0.99, eps=1e-6, weight_decay=decay), gradients, w)
    m, v = np.zeros(3), np.zeros(3)
    for k, g in enumerate(gradients):
        t = k + 1
        g = g if apart else g + decay * w
        m = beta1 * m + (1 - beta1) * g
        v = 0.99 * v + (1 - 0.99) * g**2
        step = m / (1 - beta1**t) / (np.sqrt(v / (1 - 0.99**t)) + 1e-6)
        w = w - rate_at(k) * (step + (decay * w if apart else 0.0))
    np.testing.assert_allclose(state["w"], w, rtol=1e-6)  # 1 − βᵗ, rounded to the weights' float32 as in a real step
    np.testing.assert_allclose(state["w.second_moment"], v, rtol=1e-6)
    assert state["step"] == STEPS


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("decays", [False, True])
def test_rmsprop_has_eps_under_the_root_and_the_rate_in_the_velocity(
    walk: Callable[..., Any], momentum: float, decays: bool
) -> None:
    gradients, w = draws()
    a = RmsProp(rate=0.01, decay=0.8, eps=1.0, momentum=momentum, weight_decay=0.1, decay_on="weights")
    state = trained(walk, a, gradients, w, decays=decays)
    s, m = np.zeros(3), np.zeros(3)
    for k, g in enumerate(gradients):
        g = g + (0.1 * w if decays else 0.0)
        s = 0.8 * s + 0.2 * g**2
        m = momentum * m + rate_at(k) * g / np.sqrt(s + 1.0)
        w = w - m
    np.testing.assert_allclose(state["w"], w, rtol=1e-10)


def test_the_average_of_weights_has_no_bias_to_zero(walk: Callable[..., Any]) -> None:
    gradients, w = draws()
    graph = step_graph(Sgd(rate=0.01), average=Call("ema", (0.9,)))
    state: dict[str, Any] = {n: np.zeros(s.type.sizes, s.type.dtype) for n, s in graph.state.items()} | {"w": w}
    seen = []
    for k, g in enumerate(gradients[:5]):
        state |= walk(graph, state, {"g": g, "rate": rate_at(k)})[1]
        seen.append(state["w"])
    shares = 0.9 ** np.arange(4, -1, -1.0)
    expected = (shares[:, None] * np.array(seen)).sum(axis=0) / shares.sum()
    np.testing.assert_allclose(state["w.average"] / (1 - 0.9**5), expected, rtol=1e-12)


@pytest.mark.parametrize("word", ["value", "norm", "global_norm"])
@pytest.mark.parametrize("size", [0.0, 0.1, 10.0])
def test_clipping(walk: Callable[..., Any], word: str, size: float) -> None:
    graph = Graph("clip")
    a, b = (graph.source(INPUT, n, TensorType(s)) for n, s in (("a", (2, 3)), ("b", ())))
    found = clipped(graph, Call(word, (0.5,)), {"a": a, "b": b})
    graph.outputs = dict(found)
    rng = np.random.default_rng(3)
    x, y = size * rng.normal(size=(2, 3)), size * rng.normal(size=())
    out = walk(graph, {}, {"a": x, "b": y})[0]
    if word == "value":
        expected = np.clip(x, -0.5, 0.5), np.clip(y, -0.5, 0.5)
    else:
        own = [np.sqrt((g**2).sum()) for g in (x, y)]
        lengths = [np.hypot(*own)] * 2 if word == "global_norm" else own
        expected = tuple(g * min(1.0, 0.5 / n) if n else g for g, n in zip((x, y), lengths, strict=True))
    np.testing.assert_allclose(out["a"], expected[0], rtol=1e-12)
    np.testing.assert_allclose(out["b"], expected[1], rtol=1e-12)


def test_an_unknown_optimizer_is_refused() -> None:
    with pytest.raises(CnnError, match="lion cannot be run") as e:
        step_graph(Call("lion", (), {"rate": 0.1}, None))
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
