"""How the printed module reads: one function for equal sums, no brackets beyond need, docstrings that are sentences."""

from __future__ import annotations

import ast

import numpy as np
import pytest

import cnndsl.ops  # noqa: F401  (fills the registry)
from cnndsl.graph.expr import Expr, variables
from cnndsl.graph.graph import Graph
from cnndsl.runtime.compile import compile
from cnndsl.targets.numpy.chains import formula, sorted_addends
from cnndsl.targets.numpy.statements import INFIX


def residual(*order: str) -> Graph:
    """Two residual sums whose addends stand in the given orders."""
    g = Graph("residual")
    x = g.input("image", (8, 8, 4)).conv(16, (3, 3), pad=1, name="stem").relu()
    for n, first in enumerate(order):
        y = x.conv(16, (3, 3), pad=1, name=f"unit{n}")
        x = (x.add(y) if first == "skip" else y.add(x)).relu()
    g.output(x.global_avg_pool().dense(3).softmax())
    return g


def test_two_sums_that_differ_in_the_order_of_addends_share_one_function() -> None:
    g = residual("skip", "main", "skip")
    run = compile(g, g.initial_weights(0), batch=2, threads=1)
    text = run.source  # type: ignore[union-attr]
    assert text.count("def bias_add_relu") == 1
    assert text.count("bias_add_relu") == 4
    images = np.random.default_rng(0).standard_normal((2, 8, 8, 4)).astype(np.float32)
    np.testing.assert_allclose(run(images), compile(g, g.initial_weights(0), target="reference", batch=2)(images), atol=1e-5)


def test_what_is_computed_stands_before_what_is_given() -> None:
    x, v, n = variables(3)
    one = Expr("const", (), 1.0)
    names, kinds = ["x", "v", "n"], ["tile", "row", "scalar"]
    for given, wanted in ((v + x, "x + v"), (one + n, "n + 1.0"), (x + x * v, "x * v + x"), (v - x, "v - x"), (v * x, "v * x")):
        assert formula(sorted_addends([given], kinds, names)[0], names) == wanted


@pytest.mark.parametrize(
    ("build", "wanted"),
    [
        (lambda x, y: x + y + x, "x + y + x"),
        (lambda x, y: x + (y + x), "x + (y + x)"),
        (lambda x, y: x - (y - x), "x - (y - x)"),
        (lambda x, y: (x + y) * x / (y / x), "(x + y) * x / (y / x)"),
        (lambda x, y: x * y + x / y, "x * y + x / y"),
        (lambda x, y: -(x + y) * -y, "-(x + y) * -y"),
    ],
)
def test_brackets_are_those_that_python_needs(build: object, wanted: str) -> None:
    names = ["x", "y"]
    expression = build(*variables(2))  # type: ignore[operator]
    assert formula(expression, names) == wanted
    assert ast.dump(ast.parse(wanted)) == ast.dump(ast.parse(bracketed(expression, names)))


def bracketed(x: Expr, names: list[str]) -> str:
    """The same with brackets around everything."""
    if x.fn == "var":
        return names[x.value]
    args = [bracketed(a, names) for a in x.args]
    return f"(-{args[0]})" if x.fn == "neg" else f"({args[0]} {INFIX[x.fn]} {args[1]})"
