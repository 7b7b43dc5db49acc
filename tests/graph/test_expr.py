"""Scalar expressions: values, derivatives, identity, depth."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from cnndsl.graph import expr as module
from cnndsl.graph.expr import PRIMITIVES, E, Expr, derivative, evaluate, expr, ordered, substitute, variables

RULES: dict[str, Any] = {
    "add": lambda e, x: x + 0.5, "sub": lambda e, x: 2 - x, "mul": lambda e, x: x * x, "div": lambda e, x: 1 / (x * x + 1) / 2,
    "neg": lambda e, x: -x, "abs": lambda e, x: e.abs(x), "exp": lambda e, x: e.exp(x), "log": lambda e, x: e.log(x * x + 1),
    "sqrt": lambda e, x: e.sqrt(x * x + 1), "tanh": lambda e, x: e.tanh(x), "erf": lambda e, x: e.erf(x),
    "min": lambda e, x: e.min(x, x * x), "max": lambda e, x: e.max(x, x * x),
    "select": lambda e, x: e.select(e.both(x > -1, x <= 1), x * x, 3 * x), "cast": lambda e, x: e.cast(x * x, "float64"),
}  # fmt: skip
POINTS = np.array([-1.7, -0.6, -0.1, 0.3, 0.8, 1.4])


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_derivatives(rule: Any) -> None:
    root, h = expr(rule, 1), 1e-6
    slope = derivative(root, 0)
    assert slope is not None
    found = np.broadcast_to(evaluate(np, slope, [POINTS]), POINTS.shape)
    wanted = (evaluate(np, root, [POINTS + h]) - evaluate(np, root, [POINTS - h])) / (2 * h)
    np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-8)


def test_every_primitive_has_a_value() -> None:
    numbers = {0: [], 1: [0.5], 2: [0.5, 0.25], 3: [True, 0.5, 0.25]}
    special = {"uniform": [np.uint64(1 << 63)], "not": [True], "and": [True, False], "or": [True, False]}
    for fn, count in PRIMITIVES.items():
        if fn in ("var", "const"):
            continue
        value = "float32" if fn == "cast" else None
        args = tuple(Expr("const", (), x) for x in special.get(fn, numbers[count]))
        assert np.isfinite(evaluate(np, Expr(fn, args, value), [])), fn
    with pytest.raises(AttributeError, match="not a scalar primitive"):
        E.sinc(1.0)


def test_what_does_not_depend_has_no_derivative() -> None:
    x, y = variables(2)
    assert derivative(x * 2, 1) is None
    assert derivative(x > y, 0) is None
    assert derivative(E.uniform(x), 0) is None
    assert derivative(Expr("cast", (Expr("cast", (x,), "int32"),), "float32"), 0) is None, "a whole number moves in steps"
    assert derivative(Expr("cast", (x * 2,), "float64"), 0) is not None
    assert derivative(E.select(x > 0, y, 1.0), 0) is None


def test_equal_expressions_are_one_object() -> None:
    assert expr(lambda e, x: e.tanh(x) * 2, 1) is expr(lambda e, x: e.tanh(x) * 2, 1)
    consts = [Expr("const", (), v) for v in (0.0, -0.0, 0, False, 1, 1.0, True)]
    assert len(set(consts)) == len(consts)
    assert Expr("const", (), float("nan")) is Expr("const", (), float("nan"))


def test_times_one_is_left_out_and_nothing_else() -> None:
    (x,) = variables(1)
    assert x * 1.0 is x
    assert 1 * x is x
    assert (x * 0.0).fn == "mul"
    assert (x + 0.0).fn == "add"


def test_shared_work_is_counted_once() -> None:
    (x,) = variables(1)
    for _ in range(200):
        x = x * x + 0.5
    assert len(ordered([x])) == 402


def test_a_deep_expression() -> None:
    """20,000 levels, twenty times what recursion reaches: order, value, derivative, substitution."""
    (x,) = variables(1)
    for _ in range(10_000):
        x = -(x + 1.0)
    assert float(evaluate(np, x, [np.float64(2)])) == 2.0
    slope = derivative(x, 0)
    assert slope is not None
    assert float(evaluate(np, slope, [np.float64(2)])) == 1.0
    assert substitute(x, variables(1)) is x


def test_dropped_expressions_are_forgotten() -> None:
    before = len(module._KNOWN)
    x = expr(lambda e, v: e.exp(v * 12.25) + 3.75, 1)
    assert len(module._KNOWN) > before
    del x
    gc.collect()
    assert len(module._KNOWN) <= before
