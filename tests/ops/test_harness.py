"""The tests of the tests: a fault planted into an op must be caught by the check that is there for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cnndsl.errors import CnnError
from cnndsl.graph.op import Op, Reject
from cnndsl.ops.conv import CONV
from cnndsl.ops.dense import DENSE
from cnndsl.ops.leaky_relu import LEAKY_RELU
from cnndsl.ops.pool import MAX_POOL
from cnndsl.ops.softmax import SOFTMAX
from cnndsl.ops.tanh import TANH
from tests.ops import harness
from tests.ops.samples import case
from tests.tolerances import OP, close, distance


def caught(check: Any, op: Op, index: int = 0) -> None:
    """`check` passes on the op as it is in the tree, and fails on `op`."""
    from cnndsl.graph.op import REGISTRY

    check(case(REGISTRY[op.name], index))
    with pytest.raises(AssertionError):
        check(case(op, index))


def slightly(vjp: Any, which: int) -> Any:
    """A gradient that is wrong by one part in two thousand for one operand."""

    def wrong(g: Any, a: Any, xs: Any, ys: Any, gys: Any) -> Any:
        found = list(vjp(g, a, xs, ys, gys))
        found[which] = g.pointwise(lambda e, v: v * 1.0005, found[which])
        return tuple(found)

    return wrong


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_wrong_gradient_of_conv(which: int) -> None:
    caught(harness.check_gradient, replace(CONV, vjp=slightly(CONV.vjp, which)))


def test_a_wrong_gradient_of_a_pool() -> None:
    caught(harness.check_gradient, replace(MAX_POOL, vjp=slightly(MAX_POOL.vjp, 0)))


def test_a_gradient_left_out() -> None:
    def half(g: Any, a: Any, xs: Any, ys: Any, gys: Any) -> Any:
        return (DENSE.vjp(g, a, xs, ys, gys)[0], None, None)  # type: ignore[misc]

    caught(harness.check_gradient, replace(DENSE, vjp=half))


def test_a_wrong_expression() -> None:
    wrong = replace(LEAKY_RELU, pointwise=lambda e, a, x: e.select(x > 0, x * 1.001, a.slope * x))
    caught(harness.check_pointwise, wrong)
    caught(harness.check_gradient, wrong)


def test_a_wrong_shape_rule() -> None:
    caught(harness.check_types, replace(DENSE, infer=lambda a, x, w, b=None: (x.with_shape(x.shape[0], a.units + 1),)))


def test_a_wrong_type() -> None:
    caught(harness.check_types, replace(TANH, reference=lambda xp, a, x: (xp.tanh(x.astype("float64")),)))


def test_a_reference_that_writes_on_its_input() -> None:
    def wrong(xp: Any, a: Any, x: Any) -> tuple[Any]:
        x *= 1.0
        return (xp.tanh(x),)

    with pytest.raises(ValueError, match="read-only"):
        harness.check_types(case(replace(TANH, reference=wrong), 0))


def test_a_reference_that_mixes_images() -> None:
    caught(harness.check_batch, replace(SOFTMAX, reference=lambda xp, a, x: (xp.exp(x) / xp.sum(xp.exp(x)),)))


def test_a_reference_that_hides_a_nan() -> None:
    caught(harness.check_nan, replace(TANH, reference=lambda xp, a, x: (xp.nan_to_num(xp.tanh(x)),)))


def test_a_kernel_that_is_slightly_wrong() -> None:
    wanted = case(CONV, 0).reference()[0]
    close(wanted * (1 + 1e-6), wanted, OP)
    with pytest.raises(AssertionError):
        close(wanted * (1 + 1e-5), wanted, OP)


def test_distance() -> None:
    assert distance(np.zeros(3), np.zeros(3)) == 0
    assert distance(np.full(3, 1e-30), np.zeros(3)) == float("inf")
    assert distance(np.ones(3), np.ones(4)) == float("inf")
    assert distance([1.0, np.nan], [1.0, np.nan]) == 0
    assert distance([1.0, np.nan], [np.nan, 1.0]) == float("inf")
    assert distance([np.inf], [-np.inf]) == float("inf")
    assert distance([], []) == 0


def test_an_op_without_samples_or_gradient() -> None:
    for change in ({"samples": ()}, {"vjp": None, "pointwise": None}, {"rejects": ()}):
        with pytest.raises(AssertionError):
            harness.check_record(replace(TANH, **change))


def test_a_reject_that_is_accepted_or_says_something_else() -> None:
    with pytest.raises(pytest.fail.Exception):
        harness.check_reject(TANH, Reject(("float32[2,3]",), "a float tensor"))
    with pytest.raises(AssertionError):
        harness.check_reject(TANH, Reject(("int32[2,3]",), "something else"))


def test_rejects_are_errors_of_ours() -> None:
    with pytest.raises(CnnError):
        TANH.infer(TANH.attrs(), harness.parsed("int32[4]"))
