"""Folding batch norm: what it makes, that the numbers stay, and every case in which it must not fire."""

from __future__ import annotations

import pytest

from cnndsl.graph.graph import Graph
from cnndsl.passes.dead_code import dead_code
from cnndsl.passes.fold_batch_norm import fold_batch_norm
from cnndsl.passes.training import training
from tests.passes.networks import after, bound, context, refusals, residual, words

FOLD = (fold_batch_norm, dead_code)


def test_every_norm_of_a_residual_block_folds() -> None:
    found = words(after(bound(residual()), FOLD, context()))
    assert "batch_norm" not in found
    assert found.count("conv") == 4 and found.count("pointwise") == 12


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_groups_and_bias(groups: int, bias: bool) -> None:
    g = Graph("g")
    g.output(g.input("image", (5, 6, 4)).conv(8, (3, 2), pad=1, groups=groups, bias=bias).batch_norm(eps=0.1))
    new = after(bound(g), FOLD, context())
    conv = new.outputs["output"].node
    assert conv.op.name == "conv" and conv.attrs.bias and len(conv.operands) == 3


def test_dense() -> None:
    g = Graph("g")
    g.output(g.input("image", (7,)).dense(4).batch_norm().relu())
    assert words(after(bound(g), FOLD, context())) == ["pointwise", "pointwise", "pointwise", "dense", "relu"]


def read_elsewhere(g: Graph) -> None:
    y = g.input("image", (5, 5, 2)).conv(3, (3, 3))
    g.output(y.batch_norm().add(y))


def is_a_result(g: Graph) -> None:
    y = g.input("image", (5, 5, 2)).conv(3, (3, 3))
    g.output(y, "early")
    g.output(y.batch_norm())


def after_an_add(g: Graph) -> None:
    x = g.input("image", (5, 5, 2))
    g.output(x.add(x).batch_norm())


def shares_weights(g: Graph) -> None:
    first = g.input("image", (5, 5, 2)).conv(2, (3, 3), pad=1)
    conv = first.node
    second = g.add(conv.op, (first.relu(), *conv.operands[1:]), conv.attrs)[0]
    g.output(second.batch_norm())


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (read_elsewhere, "read elsewhere"),
        (is_a_result, "is a result"),
        (after_an_add, "not a convolution or a dense layer"),
        (shares_weights, "shared"),
    ],
)
def test_refuses_with_its_reason(build, why: str) -> None:  # type: ignore[no-untyped-def]
    g = Graph("g")
    build(g)
    ctx = context()
    assert "batch_norm" in words(after(bound(g), (fold_batch_norm,), ctx))
    assert any(why in r for r in refusals(ctx))


def test_statistics_of_the_batch_are_never_folded() -> None:
    g = training(bound(residual()), context(training=True))
    ctx = context(training=True)
    new = after(g, (fold_batch_norm,), ctx)
    assert words(new).count("batch_norm") == 4
    assert all("those of the batch" in r for r in refusals(ctx))
