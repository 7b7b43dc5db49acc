"""The reference interpreter: right on a hand-made case, in float64 on request, without keeping what is used up."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest

import cnndsl
from cnndsl.graph.graph import State
from cnndsl.graph.types import TensorType
from cnndsl.runtime.compile import compile_step_graph
from cnndsl.targets.reference.interpreter import evaluate, walk


def example() -> Any:
    g = cnndsl.Graph("example")
    w = g.add_state(State("w", TensorType((3,))))
    x = g.input("image", (3,))
    y = g.pointwise(lambda e, a, b: a * b, x, w)
    g.output(y.relu())
    g.update("w", g.pointwise(lambda e, a: a + 1.0, w))
    return g


def test_outputs_and_updates() -> None:
    x = np.array([[1, -2, 3]], np.float32)
    outputs, updates = evaluate(example(), {"image": x}, {"w": np.array([2, 2, 2], np.float32)})
    assert outputs["output"].tolist() == [[2, 0, 6]]
    assert outputs["output"].dtype == np.float32
    assert updates["w"].tolist() == [3, 3, 3]


def test_in_float64_digits_beyond_float32_survive() -> None:
    tiny = 1 + 1e-12
    outputs, _ = evaluate(example(), {"image": np.full((1, 3), tiny)}, {"w": np.ones(3)}, dtype="float64")
    assert outputs["output"].dtype == np.float64
    assert (outputs["output"] == tiny).all()


def test_every_value_can_be_kept() -> None:
    g = example()
    values = walk(g, {"image": np.ones((1, 3))}, {"w": np.ones(3)})
    assert all(y in values for node in g.nodes for y in node.outputs)


def test_values_are_freed_after_their_last_use() -> None:
    alive: list[weakref.ref[Any]] = []

    class Counted:
        """NumPy that remembers the arrays it made."""

        def __getattr__(self, name: str) -> Any:
            found = getattr(np, name)
            if name != "maximum":
                return found

            def maximum(*args: Any, **keys: Any) -> Any:
                assert sum(r() is not None for r in alive) <= 2
                y = found(*args, **keys)
                alive.append(weakref.ref(y))
                return y

            return maximum

    g = cnndsl.Graph("deep")
    x = g.input("image", (4,))
    for _ in range(300):
        x = x.relu()
    g.output(x)
    evaluate(g, {"image": np.ones((1, 4), np.float32)}, {}, xp=Counted())
    assert len(alive) in (0, 300)


def test_the_reference_can_be_compiled_for() -> None:
    g = cnndsl.Graph("tiny")
    g.output(g.input("image", (2, 2, 1)).conv(3, (1, 1)).relu())
    w = g.initial_weights()
    x = np.random.default_rng(0).normal(size=(3, 2, 2, 1)).astype(np.float32)
    assert np.allclose(cnndsl.compile(g, w, target="reference")(x), cnndsl.compile(g, w)(x), atol=1e-6)


@pytest.mark.parametrize("target", ["numpy", "reference"])
@pytest.mark.parametrize("order", ["ab", "ba"])
def test_a_step_reads_old_values_in_whatever_order_states_are_updated(target: str, order: str) -> None:
    g = cnndsl.Graph("shift")
    a, b = (g.add_state(State(n, TensorType((3,)))) for n in "ab")
    news = {"a": b, "b": g.pointwise(lambda e, x: x + 1.0, b)}
    for name in order:
        g.update(name, news[name])
    g.output(a, "before")
    first = {"a": np.full(3, 2, np.float32), "b": np.full(3, 5, np.float32)}
    run = compile_step_graph(g, first, target=target, batch=1)
    outputs = run()
    assert {n: x.tolist() for n, x in run.state.items()} == {"a": [5] * 3, "b": [6] * 3}
    assert outputs["before"].tolist() == [2] * 3
    outputs = run()
    assert {n: x.tolist() for n, x in run.state.items()} == {"a": [6] * 3, "b": [7] * 3}
    assert outputs["before"].tolist() == [5] * 3


def test_outputs_share_no_memory() -> None:
    """With each other, the input or the weights: an answer that is written into changes nothing else."""
    g = cnndsl.Graph("same")
    x, w = g.input("image", (3,)), g.add_state(State("w", TensorType((3,))))
    g.output(x)
    g.output(x, "again")
    g.output(w, "weight")
    image = np.array([[-1, 2, 3]], np.float32)
    run = cnndsl.compile(g, {"w": np.array([4, 5, 6], np.float32)}, target="reference", batch=1)
    got = run(image)
    for found in got:
        found += 1
    assert [np.ravel(x).tolist() for x in got] == [[0, 3, 4], [0, 3, 4], [5, 6, 7]]
    assert image.tolist() == [[-1, 2, 3]]
    assert run(image)[2].tolist() == [4, 5, 6]
