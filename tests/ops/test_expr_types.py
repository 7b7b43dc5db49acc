"""The element types of expressions."""

from __future__ import annotations

from cnndsl.graph.expr import E, variables
from cnndsl.graph.types import TensorType
from cnndsl.ops.pointwise import result_dtype


def test_a_subexpression_that_is_met_twice_is_worked_out_once() -> None:
    """x · tanh(x), sixty times: one way through each would be 2^60 of them."""
    (x,) = variables(1)
    for _ in range(60):
        x = x * E.tanh(x)
    assert result_dtype(x, (TensorType((4,), "float64"),)) == "float64"
