"""What kernels have to do."""

from __future__ import annotations

from typing import Any

import pytest

import cnndsl
from cnndsl.passes.context import Options
from cnndsl.program.work import anchor, kind, moved, multiply_adds, operations
from cnndsl.runtime.compile import lower


def kernels(g: Any, batch: int = 2) -> list[Any]:
    return list(lower(g, target="numpy", options=Options(batch=batch))[0].run.kernels)


def test_a_convolution_with_its_epilogue() -> None:
    g = cnndsl.Graph("one")
    g.output(g.input("image", (8, 6, 3)).conv(5, (3, 3), pad=1).leaky_relu(0.1))
    (k,) = kernels(g)
    assert (kind(k), anchor(k).op.name) == ("conv 3x3", "conv")
    outputs = 2 * 8 * 6 * 5
    assert multiply_adds(k) == outputs * 27
    bias_counts = k.node.attrs.anchor.operands[2:] == ()
    assert operations(k) == 2 * outputs * 27 + outputs * (3 + bias_counts)  # x > 0, slope · x, select; and + bias
    assert moved(k) == 4 * (2 * 8 * 6 * 3 + 27 * 5 + 5 + outputs)


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda x: x.conv(4, (3, 3), groups=4, bias=False), "depthwise conv 3x3"),
        (lambda x: x.conv(8, (3, 3), groups=2, bias=False), "conv 3x3"),
        (lambda x: x.conv(8, (1, 1), bias=False), "conv 1x1"),
        (lambda x: x.max_pool((2, 2)), "max_pool"),
        (lambda x: x.tanh().relu(), "pointwise"),
        (lambda x: x.relu(), "pointwise"),
        (lambda x: x.flatten().dense(3), "dense"),
    ],
)
def test_kinds(make: Any, wanted: str) -> None:
    g = cnndsl.Graph("one")
    g.output(make(g.input("image", (6, 6, 4))))
    assert kind(kernels(g)[-1]) == wanted


def test_a_shared_subexpression_is_computed_once() -> None:
    g = cnndsl.Graph("one")
    x = g.input("image", (2, 2, 4))
    y = x.tanh()
    g.output(y.multiply(y).add(y))
    assert sum(map(operations, kernels(g))) == 2 * 16 * 3
