"""The graph of a training step: loss, gradients, statistics, gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cnndsl.errors import CnnError
from cnndsl.graph.graph import Graph, Origin, State, Value
from cnndsl.graph.types import TensorType
from cnndsl.language.load import load_text
from cnndsl.language.model import Model
from cnndsl.language.recipe import Call, LossTerm, Sgd
from cnndsl.training.diagnose import first_not_finite
from cnndsl.training.step import build_step, compile_step

TEXT = """
model tiny(classes = 3) {
    input image: 8x8x2
    conv(4, 3x3, stride = 2, bias = false) -> batch_norm(eps = 1e-3) -> tanh as early
    conv(5, 2x2) -> tanh
    head side { global_avg_pool -> dense(classes) }
    flatten
    dense(classes) as logits
    softmax
}
train {
    loss      = cross_entropy(logits) + 0.3 * cross_entropy(side, label_smoothing = 0.1)
    optimizer = sgd(rate = 0.1, momentum = 0.9, weight_decay = 1e-3)
    batch     = 6
    epochs    = 1
}
"""
RATE = 1e-3


@pytest.fixture(scope="module")
def model() -> Model:
    return load_text(TEXT)


def batch_of(model: Model) -> dict[str, Any]:
    rng = np.random.default_rng(2)
    return {
        "image": rng.normal(size=(6, 8, 8, 2)),
        "label": rng.integers(0, 3, 6).astype(np.int32),
        "rate": RATE,
        "seed": np.uint64(0),
    }


def state_of(graph: Graph, model: Model) -> dict[str, Any]:
    zeros = {n: np.zeros(s.type.sizes, s.type.dtype) for n, s in graph.state.items()}
    return zeros | {n: a.astype(np.float64) for n, a in model.initial_weights(seed=1).items()}


@pytest.mark.parametrize("clip", [None, "global_norm(0.01)"])
def test_the_gradients_length(model: Model, clip: str | None) -> None:
    given = batch_of(model)
    images, labels = given["image"].astype(np.float32), given["label"]
    start = model.initial_weights(seed=1)
    steps = [compile_step(model, start, optimizer=Sgd(rate=1.0), batch=6, norm=norm) for norm in (False, True)]
    parameters = [n for n, s in steps[0].graph.state.items() if s.kind == "parameter"]
    assert steps[0](images, labels) == steps[1](images, labels)
    gradient = [start[n].astype(np.float64) - steps[0].weights[n] for n in parameters]
    length = np.sqrt(sum(np.sum(g * g) for g in gradient))
    assert steps[0].gradient_norm is None
    assert steps[1].gradient_norm == pytest.approx(length, rel=1e-5)
    for name, array in steps[0].weights.items():
        assert np.array_equal(array, steps[1].weights[name]), name
    parts = [compile_step(model, start, optimizer=Sgd(rate=1.0), batch=6, accumulate=2, norm=norm) for norm in (False, True)]
    assert parts[0](images, labels) == parts[1](images, labels)
    gradient = [start[n].astype(np.float64) - parts[0].weights[n] for n in parameters]
    assert parts[1].gradient_norm == pytest.approx(np.sqrt(sum(np.sum(g * g) for g in gradient)), rel=1e-5)
    if clip is not None:  # what is logged is the length before it is cut
        cut = compile_step(model, start, optimizer=Sgd(rate=1.0), clip=clip, batch=6, norm=True)
        cut(images, labels)
        assert cut.gradient_norm == pytest.approx(length, rel=1e-5)
        after = [start[n].astype(np.float64) - cut.weights[n] for n in parameters]
        assert np.sqrt(sum(np.sum(g * g) for g in after)) == pytest.approx(0.01, rel=1e-3)


def test_the_gradient_is_that_of_the_loss(model: Model, walk: Callable[..., Any]) -> None:
    """With plain SGD, (old − new) / rate is the gradient; against a central difference in a random direction."""
    graph = build_step(model, model.train.loss, Sgd(rate=RATE), 6)
    state, inputs = state_of(graph, model), batch_of(model)
    _, updates = walk(graph, state, inputs)
    rng = np.random.default_rng(3)
    names = [n for n, s in graph.state.items() if s.kind == "parameter"]
    assert {n for n in names if n.startswith("side")}
    direction = {n: rng.normal(size=state[n].shape) for n in names}
    ours = sum(float(((state[n] - updates[n]) / RATE * direction[n]).sum()) for n in names)

    def loss(h: float) -> float:
        moved = state | {n: state[n] + h * direction[n] for n in names}
        return float(walk(graph, moved, inputs)[0]["loss"])

    h = 1e-5
    theirs = (loss(h) - loss(-h)) / (2 * h)
    assert abs(ours - theirs) <= 1e-5 * abs(theirs)


def test_every_weight_moves_and_the_counter_counts(model: Model, walk: Callable[..., Any]) -> None:
    graph = build_step(model, model.train.loss, model.train.optimizer, 6)
    state, inputs = state_of(graph, model), batch_of(model)
    outputs, updates = walk(graph, state, inputs)
    assert set(updates) == set(graph.state)
    assert int(updates["step"]) == 1
    for name, new in updates.items():
        assert not np.array_equal(new, state[name]), name
        assert new.dtype.kind == state[name].dtype.kind
        assert new.shape == state[name].shape
    assert np.isfinite(outputs["loss"])


def test_running_statistics(model: Model, walk: Callable[..., Any]) -> None:
    """momentum · old + (1 − momentum) · new, the variance unbiased."""
    graph = build_step(model, model.train.loss, model.train.optimizer, 6, outputs=("early",))
    state, inputs = state_of(graph, model), batch_of(model)
    _, updates = walk(graph, state, inputs)
    image, w = inputs["image"], state["early.conv.weight"]
    y = np.zeros((6, 3, 3, 4))
    for i in range(3):
        for j in range(3):
            y += np.einsum("nhwc,co->nhwo", image[:, i : i + 5 : 2, j : j + 5 : 2], w[i, j])
    flat = y.reshape(-1, 4)
    np.testing.assert_allclose(updates["early.batch_norm.mean"], 0.01 * flat.mean(0), rtol=1e-9)
    np.testing.assert_allclose(updates["early.batch_norm.variance"], 0.99 + 0.01 * flat.var(0, ddof=1), rtol=1e-9)


def test_a_loss_that_is_not_finite_changes_nothing(model: Model, walk: Callable[..., Any]) -> None:
    graph = build_step(model, model.train.loss, model.train.optimizer, 6)
    state, inputs = state_of(graph, model), batch_of(model)
    inputs["image"][2, 3, 3, 1] = np.nan
    with np.errstate(all="ignore"):
        outputs, updates = walk(graph, state, inputs)
    assert np.isnan(outputs["loss"])
    for name, new in updates.items():
        np.testing.assert_array_equal(new, state[name], err_msg=name)


def test_the_first_value_that_is_not_finite_is_named(model: Model) -> None:
    graph = build_step(model, model.train.loss, model.train.optimizer, 6)
    state, inputs = state_of(graph, model), batch_of(model)
    assert first_not_finite(graph, state, inputs) == ""
    broken = {**inputs, "image": np.where(inputs["image"] > 2, np.inf, inputs["image"])}
    assert first_not_finite(graph, state, broken) == "the input image"
    spoilt = {**state, "conv.weight": state["conv.weight"] * np.nan}
    assert first_not_finite(graph, spoilt, inputs).startswith("the weight conv.weight, read by conv")
    large = {**state, "logits.weight": np.full_like(state["logits.weight"], 1e308)}
    found = first_not_finite(graph, large, inputs)
    assert found.startswith("logits (dense) at <text>:8")


@pytest.mark.parametrize(
    ("call", "code", "says"),
    [
        (Call("cross_entropy", ("logist",), {}, None), "E424", "no value of the model"),
        (Call("cross_entropy", ("output",), {}, None), "E424", "takes logits"),
        (Call("cross_entropy", (), {}, None), "E424", "needs the name"),
        (Call("wasserstein", ("logits",), {}, None), "E423", "cannot be run"),
    ],
)
def test_a_loss_that_cannot_be_formed(model: Model, call: Call, code: str, says: str) -> None:
    with pytest.raises(CnnError, match=says) as e:
        build_step(model, (LossTerm(1.0, call),), Sgd(rate=0.1), 6)
    assert e.value.code == code


def test_no_loss(model: Model) -> None:
    with pytest.raises(CnnError, match="no loss"):
        build_step(model, (), Sgd(rate=0.1), 6)


def test_mse_against_a_target(model: Model, walk: Callable[..., Any]) -> None:
    graph = build_step(model, (LossTerm(2.0, Call("mse", ("logits", "target"), {}, None)),), Sgd(rate=0.1), 6)
    inputs = batch_of(model) | {"target": np.ones((6, 3))}
    assert graph.inputs["target"].type.shape == (6, 3)
    outputs, _ = walk(graph, state_of(graph, model), inputs)
    assert outputs["loss"] > 0


def test_compiled_it_is_the_same_step(model: Model, walk: Callable[..., Any]) -> None:
    step = compile_step(model, seed=1, batch=6)
    state, inputs = state_of(step.graph, model), batch_of(model)
    for _ in range(3):
        outputs, updates = walk(step.graph, state, inputs | {"rate": 0.1})
        loss = step(inputs["image"].astype(np.float32), inputs["label"])
        assert loss == pytest.approx(float(outputs["loss"]), rel=1e-5)
        state |= updates
    for name, array in step.weights.items():
        np.testing.assert_allclose(array, state[name], rtol=1e-3, atol=1e-5)
    assert int(step.state["step"]) == 3


def test_weights_are_a_copy(model: Model) -> None:
    step = compile_step(model, seed=1, batch=6)
    step.weights["logits.weight"][...] = 7
    assert step.weights["logits.weight"].max() < 7


def test_a_batch_that_does_not_fit(model: Model) -> None:
    step = compile_step(model, seed=1, batch=6)
    images, labels = np.zeros((6, 8, 8, 2), np.float32), np.zeros(6, np.int32)
    for wrong, says in [
        ((images[:5], labels), r"image: expected an array of shape \(6, 8, 8, 2\)"),
        ((images, labels[:4]), "label: expected"),
        ((images, labels * 1.0), "label: expected int32"),
        ((images, labels + 3), "labels go from 0 to 2, these from 3 to 3"),
        ((images, labels - 1), "labels go from 0 to 2"),
        ((images.astype(str), labels), "expected float32"),
    ]:
        with pytest.raises(CnnError, match=says):
            step(*wrong)
    step(images.astype(np.float64)[..., ::-1], labels.astype(np.int64))


@pytest.mark.parametrize(
    ("what", "make"),
    [
        ("constant", lambda g: g.constant((0.0, 1.0), shape=(2,))),
        ("input", lambda g: g.input("given", (2,), batched=False)),
        ("value", lambda g: g.add_state(State("m", TensorType((2,)), "buffer")).tanh()),
        ("parameter", lambda g: g.add_state(State("m", TensorType((2,))))),
    ],
)
def test_running_statistics_that_training_cannot_update(what: str, make: Callable[[Graph], Value]) -> None:
    g = Graph(what)
    x = g.input("x", (4, 4, 2))
    kinds = {"gamma": "parameter", "beta": "parameter", "variance": "buffer"}
    gamma, beta, variance = (g.add_state(State(name, TensorType((2,)), kind)) for name, kind in kinds.items())
    y = g.add("batch_norm", (x, gamma, beta, make(g), variance), None, Origin("norm"))[0]
    g.output(y.flatten().dense(3, name="logits"))
    with pytest.raises(CnnError, match="the running mean of norm is no buffer of the model") as e:
        compile_step(g, loss="cross_entropy(logits)", optimizer=Sgd(rate=0.1), batch=2)
    assert e.value.code == "E601"
