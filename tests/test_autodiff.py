"""Gradients of graphs: sums over uses, what they do not depend on, errors, depth, small networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cnndsl.autodiff import differentiate
from cnndsl.errors import CnnError
from cnndsl.graph.graph import INPUT, Graph, Origin, Value
from cnndsl.graph.types import TensorType
from cnndsl.graph.verify import verify
from tests.ops.harness import run
from tests.tolerances import GRAD64


def given(graph: Graph, name: str, *shape: int, dtype: str = "float64") -> Value:
    return graph.source(INPUT, name, TensorType(shape, dtype), Origin(name))


def total(graph: Graph, x: Value) -> Value:
    found: Value = graph.reduce_sum(x, axes=tuple(range(x.type.rank)))
    return found


def measured(graph: Graph, loss: Value, wrt: list[Value], arrays: dict[str, Any]) -> None:
    """All gradients together along one random direction against central differences."""
    gradients = differentiate(graph, loss, wrt)
    verify(graph, specialised=True)
    rng, step = np.random.default_rng(4), 1e-5
    along = {x.node.attrs.name: rng.standard_normal(x.type.sizes) for x in wrt}
    values = run(graph, arrays)
    found = sum(
        float(np.sum(values[g] * along[x.node.attrs.name])) for x, g in zip(wrt, gradients, strict=True) if g is not None
    )
    high, low = (run(graph, arrays | {k: arrays[k] + s * v for k, v in along.items()})[loss] for s in (step, -step))
    wanted = float(high - low) / (2 * step)
    assert abs(found - wanted) <= GRAD64 * abs(wanted)


def test_a_value_used_twice_gets_both_gradients() -> None:
    g = Graph()
    x = given(g, "x", 3)
    y = g.multiply(x, x)
    gx = differentiate(g, total(g, g.add("add", [y, x])[0]), [x])[0]
    assert gx is not None
    assert run(g, {"x": np.array([1.0, 2.0, -3.0])})[gx].tolist() == [3.0, 5.0, -5.0]


def test_what_does_not_depend_has_none() -> None:
    g = Graph()
    x, z = given(g, "x", 3), given(g, "z", 3)
    assert differentiate(g, total(g, g.tanh(x)), [z, x])[0] is None


def test_broadcast_operands_are_summed() -> None:
    g = Graph()
    x, b, s = given(g, "x", 2, 3, 4), given(g, "b", 4), given(g, "s", 2, 1, 1)
    y = g.pointwise(lambda e, p, q, r: (p + q) * r * p, x, b, s)
    rng = np.random.default_rng(0)
    measured(g, total(g, y), [x, b, s], {v: rng.standard_normal(g.inputs[v].type.sizes) for v in ("x", "b", "s")})


def test_maximum_gives_ties_to_the_first() -> None:
    g = Graph()
    x, y = given(g, "x", 2), given(g, "y", 2)
    gx, gy = differentiate(g, total(g, g.maximum(x, y)), [x, y])
    values = run(g, {"x": np.array([1.0, 1.0]), "y": np.array([1.0, 2.0])})
    assert gx is not None
    assert gy is not None
    assert (values[gx].tolist(), values[gy].tolist()) == ([1.0, 0.0], [0.0, 1.0])


def test_max_pool_gives_ties_to_the_first() -> None:
    g = Graph()
    x = given(g, "x", 1, 2, 2, 1)
    gx = differentiate(g, total(g, g.max_pool(x, window=(2, 2))), [x])[0]
    assert gx is not None
    assert run(g, {"x": np.ones((1, 2, 2, 1))})[gx].ravel().tolist() == [1.0, 0.0, 0.0, 0.0]


def test_a_loss_is_one_float_number() -> None:
    g = Graph()
    x = given(g, "x", 3)
    with pytest.raises(CnnError, match="one float number"):
        differentiate(g, x, [x])


@pytest.mark.parametrize("which", [0, 1])
def test_a_mean_or_a_variance_alone(which: int) -> None:
    g = Graph()
    x = given(g, "x", 2, 3, 4)
    moment = g.moments(x)[which]
    measured(g, total(g, g.multiply(moment, moment)), [x], {"x": np.random.default_rng(0).standard_normal((2, 3, 4))})


def test_a_whole_number_is_no_loss_and_hands_nothing_on() -> None:
    """What is rounded stays as it is for a while: x · ⌊x⌋ has the slope ⌊x⌋."""
    g = Graph()
    x = given(g, "x", 3)
    whole = g.pointwise(lambda e, a: e.cast(a, "int32"), x)
    with pytest.raises(CnnError, match="one float number"):
        differentiate(g, g.pointwise(lambda e, a: e.cast(a, "int32"), total(g, x)), [x])
    gx = differentiate(g, total(g, g.pointwise(lambda e, a, b: a * e.cast(b, "float64"), x, whole)), [x])[0]
    assert gx is not None
    assert run(g, {"x": np.array([1.5, 2.5, 3.5])})[gx].tolist() == [1.0, 2.0, 3.0]


def test_what_is_not_stretched_is_not_summed() -> None:
    g = Graph()
    x, b = given(g, "x", 3), given(g, "b", 1)
    loss = total(g, g.multiply(x, x))
    before = len(g.nodes)
    differentiate(g, loss, [x])
    assert not any(n.op.name == "reduce_sum" for n in g.nodes[before:])
    loss = total(g, g.multiply(x, b))
    before = len(g.nodes)
    differentiate(g, loss, [x, b])
    assert sum(n.op.name == "reduce_sum" for n in g.nodes[before:]) == 1


def test_no_second_derivatives() -> None:
    g = Graph()
    x, w = given(g, "x", 1, 4, 4, 1), given(g, "w", 3, 3, 1, 2)
    gx = differentiate(g, total(g, g.conv(x, w, filters=2, kernel=(3, 3), bias=False)), [x])[0]
    assert gx is not None
    with pytest.raises(CnnError, match="conv_input_grad has no gradient"):
        differentiate(g, total(g, gx), [w])


def test_a_deep_graph() -> None:
    """20,000 nodes forward, without recursion."""
    g = Graph()
    x = given(g, "x", 2)
    y = x
    for _ in range(20_000):
        y = g.scale(y, factor=-1.0)
    gx = differentiate(g, total(g, y), [x])[0]
    assert gx is not None
    assert run(g, {"x": np.ones(2)})[gx].tolist() == [1.0, 1.0]


def test_a_network_with_every_joint() -> None:
    """Convolutions, batch statistics, a residual join, a gate, two pools, a head, smoothed cross entropy and mse."""
    g = Graph()
    x, label = given(g, "x", 2, 8, 8, 3), given(g, "label", 2, dtype="int32")
    w1, b1, w2 = given(g, "w1", 3, 3, 3, 4), given(g, "b1", 4), given(g, "w2", 3, 3, 2, 4)
    gamma, beta = given(g, "gamma", 4), given(g, "beta", 4)
    w3, w4, b4, w5 = given(g, "w3", 4, 4), given(g, "w4", 24, 5), given(g, "b4", 5), given(g, "w5", 4, 5)
    y = g.conv(x, w1, b1, filters=4, kernel=(3, 3), stride=2, pad="same")
    mean, variance = g.moments(y)
    y = g.leaky_relu(g.batch_norm(y, gamma, beta, mean, variance), slope=0.1)
    inner = g.conv(g.tanh(y), w2, filters=4, kernel=(3, 3), pad=1, groups=2, bias=False, pad_mode="reflect")
    y = g.add("add", [y, inner])[0]
    gate = g.sigmoid(g.dense(g.global_avg_pool(y), w3, units=4, bias=False))
    y = g.multiply(y, g.spread(gate, rank=4))
    a = g.avg_pool(y, window=(3, 3), stride=2, pad=1)
    z = g.concat(g.max_pool(y, window=(2, 2)), a, g.pad(a, channels=(1, 1)), fit="crop")
    z = g.flatten(z)
    keep = given(g, "keep", z.type.channels, 24)
    logits = g.dense(g.dense(z, keep, units=24, bias=False), w4, b4, units=5)
    head = g.softmax(g.dense(g.global_max_pool(y), w5, units=5, bias=False))
    loss = g.cross_entropy(logits, label, label_smoothing=0.1)
    loss = g.pointwise(lambda e, p, q: p + 0.3 * q, loss, g.mse(head, g.log_softmax(logits)))
    rng = np.random.default_rng(2)
    arrays: dict[str, Any] = {k: rng.standard_normal(v.type.sizes) * 0.7 for k, v in g.inputs.items() if v.type.is_float}
    arrays["label"] = np.array([1, 4], np.int32)
    measured(g, loss, [v for v in g.inputs.values() if v.type.is_float], arrays)
