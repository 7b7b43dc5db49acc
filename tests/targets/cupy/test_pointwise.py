"""Generated pointwise kernels: every scalar primitive, broadcasting, several outputs, NaN, in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cnndsl.graph.expr import E, Expr, evaluate, variables
from cnndsl.graph.graph import INPUT, Graph, State
from cnndsl.graph.types import TensorType
from cnndsl.ops.fused import FusedAttrs
from cnndsl.ops.pointwise import POINTWISE, PointwiseAttrs

X, Y = variables(2)
RULES: list[Expr] = [
    X + Y, X - Y, X * Y, X / Y, E.min(X, Y), E.max(X, Y), -X, E.abs(X), E.exp(X), E.log(E.abs(X)), E.sqrt(E.abs(X)), E.tanh(X),
    E.erf(X), E.select(X > Y, X, 0.25 * Y), E.select(X < 0.5, 1.0, 0.0), E.cast(X >= Y, "float32"), E.cast(X <= 0.0, "float32"),
    E.cast(E.both(X > 0.0, Y > 0.0), "float32"), E.cast(getattr(E, "or")(X > 0.0, Y > 0.0), "float32"),
    E.cast(getattr(E, "not")(X > 0.0), "float32"), E.cast(E.isfinite(X / 0.0), "float32"), E.cast(E.eq(X, Y), "float32"),
    X * 1e-9 + 3.0, E.select(E.isfinite(Y), X, float("inf")),
]  # fmt: skip


def one_node(exprs: tuple[Expr, ...], *types: TensorType) -> Graph:
    g = Graph("one")
    operands = [g.input(f"x{k}", t.sizes, t.dtype, batched=False) for k, t in enumerate(types)]
    for k, y in enumerate(g.add(POINTWISE, operands, PointwiseAttrs(exprs))):
        g.output(y, f"y{k}")
    return g


def test_every_primitive(on_cpu: Callable[..., Any]) -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(5, 7)).astype(np.float32) for _ in range(2))
    y[0] = x[0]
    module = on_cpu(one_node(tuple(RULES), TensorType((5, 7)), TensorType((5, 7))))
    for rule, got in zip(RULES, module.Network().load({}).run(x, y), strict=True):
        with np.errstate(all="ignore"):
            want = np.asarray(evaluate(np, rule, (x, y)), np.float64)
        finite = np.isfinite(want)
        assert np.array_equal(np.isfinite(got), finite)
        assert np.max(np.abs(got - want)[finite], initial=0) <= 5e-6 * np.max(np.abs(want)[finite], initial=1e-30), rule


def test_broadcasting_and_other_types(on_cpu: Callable[..., Any]) -> None:
    shapes = [(2, 3, 4, 5), (5,), (2, 1, 1, 5), (2, 3, 4, 1), (), (1, 3, 1, 1)]
    v = variables(6)
    sum_of_all = v[0] + 2.0 * v[1] + 3.0 * v[2] + 4.0 * v[3] + 5.0 * v[4] + 6.0 * v[5]
    arrays = [np.random.default_rng(k).normal(size=s).astype(np.float32) for k, s in enumerate(shapes)]
    module = on_cpu(one_node((sum_of_all,), *(TensorType(s) for s in shapes)))
    got = module.Network().load({}).run(*arrays)
    want = evaluate(np, sum_of_all, [a.astype(np.float64) for a in arrays])
    assert np.max(np.abs(got - want)) <= 5e-6 * np.max(np.abs(want))
    words = np.random.default_rng(0).integers(0, 2**64, (2, 9), dtype=np.uint64)
    step = np.asarray(41, np.int64)
    types = (TensorType((2, 9), "uint64"), TensorType((), "int64"))
    uniform, counted = on_cpu(one_node((E.uniform(X), Y + 1), *types)).Network().load({}).run(words, step)
    assert np.array_equal(uniform, (words >> np.uint64(11)) * 2.0**-53)
    assert counted.dtype == np.int64
    assert (counted == 42).all()


def test_nan_passes_through_maximum(on_cpu: Callable[..., Any]) -> None:
    x = np.array([[np.nan, 1.0, -1.0, np.nan]], np.float32)
    y = np.array([[0.0, np.nan, np.nan, np.nan]], np.float32)
    module = on_cpu(one_node((E.max(X, Y), E.min(X, Y), E.max(X, 0.0)), TensorType((1, 4)), TensorType((1, 4))))
    most, least, relu = module.Network().load({}).run(x, y)
    assert np.isnan(most).all()
    assert np.isnan(least).all()
    assert np.isnan(relu).tolist() == [[True, False, False, True]]


def test_update_in_place(on_cpu: Callable[..., Any]) -> None:
    """w ← w − 0.5·g, written over w; the step's counter; the state reads back as NumPy."""
    g = Graph("update")
    w = g.add_state(State("w", TensorType((3, 2))))
    step = g.add_state(State("step", TensorType((), "int64"), "counter"))
    gradient = g.input("g", (3, 2), batched=False)
    new = g.pointwise(lambda e, a, b: a - 0.5 * b, w, gradient)
    g.update("w", new)
    g.update("step", g.pointwise(lambda e, n: n + 1, step))
    g.output(g.reduce_sum(w, axes=(0, 1)), "before")
    net = on_cpu(g, training=True).Network().load({"w": np.ones((3, 2), np.float32)})
    for k in range(3):
        before = net.step(np.full((3, 2), 0.5, np.float32))
        assert before == 6 * (1 - 0.25 * k)
    assert np.allclose(net.state["w"], 0.25)
    assert net.state["step"] == 3
    net.state["w"] = np.zeros((3, 2))
    assert not net.state["w"].any()


def test_a_fused_chain_is_one_kernel(on_cpu: Callable[..., Any]) -> None:
    """relu(x · s + b) and, from inside the chain, x · s: one launch, two outputs; a constant among the operands."""
    inner = Graph("inner")
    types = (TensorType((4, 3, 5)), TensorType((5,)), TensorType(()))
    x, s, b = (inner.source(INPUT, name, t) for name, t in zip("xsb", types, strict=True))
    scaled = inner.pointwise(lambda e, p, q: p * q, x, s)
    inner.output(inner.relu(inner.pointwise(lambda e, p, q: p + q, scaled, b)), "relu")
    inner.output(scaled, "scaled")
    g = Graph("outer")
    operands = [g.input(name, t.sizes, batched=False) for name, t in zip("xs", types, strict=False)]
    for k, y in enumerate(g.add("fused", [*operands, g.constant(0.5)], FusedAttrs(inner))):
        g.output(y, f"y{k}")
    module = on_cpu(g)
    assert module.CUDA.count("__global__") == 1
    assert not module.CONSTANTS
    arrays = [np.random.default_rng(k).normal(size=t.sizes).astype(np.float32) for k, t in enumerate(types[:2])]
    relu, product = module.Network().load({}).run(*arrays)
    assert np.allclose(product, arrays[0] * arrays[1])
    assert np.allclose(relu, np.maximum(arrays[0] * arrays[1] + 0.5, 0), atol=1e-6)
