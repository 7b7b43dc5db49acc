"""Folding batch norm: what it makes, that the numbers stay, and every case in which it must not fire."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import cnndsl
from cnndsl.graph.graph import Graph, State, Value
from cnndsl.graph.types import TensorType
from cnndsl.passes.dead_code import dead_code
from cnndsl.passes.fold_batch_norm import fold_batch_norm
from cnndsl.passes.training import training
from cnndsl.runtime.reference import ReferenceExecutable
from tests.passes.networks import after, bound, context, refusals, residual, weights, words
from tests.tolerances import NETWORK, close

FOLD = (fold_batch_norm, dead_code)
LAYERS = ("conv", "dense", "conv_transpose")


def layers(g: Graph) -> list[str]:
    return [w for w in words(g) if w in (*LAYERS, "batch_norm", "scale", "multiply", "add")]


def vector(g: Graph, name: str, *shape: int) -> Value:
    return g.add_state(State(name, TensorType(shape)))


def test_every_norm_of_a_residual_block_folds() -> None:
    found = words(after(bound(residual()), FOLD, context()))
    assert "batch_norm" not in found
    assert found.count("conv") == 4 and found.count("pointwise") == 12


def test_once_is_enough() -> None:
    """What a second round would find was found by the first."""
    new = after(bound(residual()), FOLD, context())
    ctx = context()
    assert words(after(new, FOLD, ctx)) == words(new)
    assert not [e for e in ctx.log.entries if e.step == "fold_batch_norm"]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_before_it_groups_and_bias(groups: int, bias: bool) -> None:
    g = Graph("g")
    g.output(g.input("image", (5, 6, 4)).conv(8, (3, 2), pad=1, groups=groups, bias=bias).batch_norm(eps=0.1))
    new = after(bound(g), FOLD, context())
    conv = new.outputs["output"].node
    assert conv.op.name == "conv" and conv.attrs.bias and len(conv.operands) == 3


def depthwise_before(g: Graph, x: Value) -> Value:
    return x.depthwise_conv((3, 3), pad=1, multiplier=2, bias=False).batch_norm()


def transposed_before(g: Graph, x: Value) -> Value:
    return x.conv_transpose(6, (3, 2), stride=2, pad=1).batch_norm()


def transposed_before_in_groups(g: Graph, x: Value) -> Value:
    return x.conv_transpose(6, (3, 2), stride=2, groups=2, bias=False).batch_norm()


def chain(g: Graph, x: Value) -> Value:
    return x.conv(6, (3, 3), bias=False).batch_norm().scale(-0.5).batch_norm()


def vectors_of_weights(g: Graph, x: Value) -> Value:
    """A scale and a shift that stand for a batch norm, written as other tools do."""
    y = g.multiply(x.conv(3, (1, 1), bias=False), vector(g, "s", 3))
    y = g.add("add", (y, vector(g, "t", 1, 1, 1, 3)))[0]
    return g.pointwise(lambda e, v, a, b: (v - a) / (1.5 + e.abs(b)), y, vector(g, "a", 3), vector(g, "b", 3))


def doubled(g: Graph, x: Value) -> Value:
    y = x.conv(3, (1, 1))
    return y.add(y)


def one_channel(g: Graph, x: Value) -> Value:
    return x.conv(1, (3, 3), bias=False).batch_norm()


def one_number(g: Graph, x: Value) -> Value:
    return g.pointwise(lambda e, v, a: 2.0 - v * a, x.conv(3, (3, 3)), vector(g, "a"))


def after_it(g: Graph, x: Value) -> Value:
    return x.batch_norm().conv(5, (3, 3))


def after_it_twice(g: Graph, x: Value) -> Value:
    return x.batch_norm().batch_norm(eps=0.5).conv(5, (1, 1), bias=False)


def after_it_in_groups(g: Graph, x: Value) -> Value:
    return x.batch_norm().conv(6, (2, 3), groups=2)


def after_it_depthwise(g: Graph, x: Value) -> Value:
    return x.batch_norm().depthwise_conv((3, 3), multiplier=3)


def after_it_where_the_edge_is_repeated(g: Graph, x: Value) -> Value:
    return x.batch_norm().conv(5, (3, 3), pad=1, pad_mode="edge")


def after_it_scale_alone(g: Graph, x: Value) -> Value:
    return g.multiply(x, vector(g, "s", 4)).conv(5, (3, 3), pad=1)


def after_it_transposed(g: Graph, x: Value) -> Value:
    return g.multiply(x, vector(g, "s", 4)).conv_transpose(6, (2, 2), stride=2, groups=2)


def after_it_dense(g: Graph, x: Value) -> Value:
    return x.global_avg_pool().batch_norm().dense(5, bias=False)


def after_it_flattened(g: Graph, x: Value) -> Value:
    return x.max_pool((2, 2)).batch_norm().flatten().dense(5)


def after_it_dense_and_more(g: Graph, x: Value) -> Value:
    """Into the layer that reads it, and not through that into the next."""
    return x.global_avg_pool().batch_norm().dense(5).dense(4)


def after_it_two_readers(g: Graph, x: Value) -> Value:
    y = x.relu().batch_norm()
    return y.conv(3, (1, 1)).relu().concat(y.conv(4, (1, 1)).tanh())


def on_both_sides(g: Graph, x: Value) -> Value:
    return x.batch_norm().conv(6, (3, 3), groups=2, bias=False).batch_norm().batch_norm()


FOLDS: list[Callable[[Graph, Value], Value]] = [
    depthwise_before, transposed_before, transposed_before_in_groups, chain, vectors_of_weights, doubled, one_channel,
    one_number, after_it, after_it_twice, after_it_in_groups, after_it_depthwise, after_it_where_the_edge_is_repeated,
    after_it_scale_alone, after_it_transposed, after_it_dense, after_it_dense_and_more, after_it_flattened,
    after_it_two_readers, on_both_sides,
]  # fmt: skip


@pytest.mark.parametrize("build", FOLDS)
def test_folds(build: Callable[[Graph, Value], Value]) -> None:
    """Nothing but layers is left, the same numbers come out, in float64 here and from the printed program."""
    g = Graph("g")
    g.output(build(g, g.input("image", (6, 7, 4))))
    ctx = context()
    new = after(bound(g), FOLD, ctx)
    run = [n.op.name for n in new.nodes if any(x.node.op.name == "input" for x in n.operands)]
    assert not {"batch_norm", "scale", "multiply", "add"} & {*words(new), *run}
    assert not refusals(ctx)
    assert sum(w in LAYERS for w in words(new)) == sum(w in LAYERS for w in words(bound(g)))
    w = weights(bound(g))
    image = np.random.default_rng(0).standard_normal((3, 6, 7, 4)).astype(np.float32)
    wanted = ReferenceExecutable(g, context().options, "float64").load(w)(image)
    close(cnndsl.compile(g, w, batch=3)(image), wanted, NETWORK)
    close(cnndsl.compile(g, w, batch=3, without=["fold_batch_norm"])(image), wanted, NETWORK)


def read_elsewhere(g: Graph) -> None:
    y = g.input("image", (5, 5, 2)).conv(3, (3, 3))
    g.output(y.batch_norm().add(y))


def is_a_result(g: Graph) -> None:
    y = g.input("image", (5, 5, 2)).conv(3, (3, 3))
    g.output(y, "early")
    g.output(y.batch_norm())


def after_an_add(g: Graph) -> None:
    x = g.input("image", (5, 5, 2))
    g.output(x.add(x.relu()).batch_norm().relu().conv(3, (3, 3)))


def of_a_concat(g: Graph) -> None:
    x = g.input("image", (5, 5, 2))
    g.output(x.concat(x.relu()).batch_norm().max_pool((2, 2)))


def shares_weights(g: Graph) -> None:
    first = g.input("image", (5, 5, 2)).conv(2, (3, 3), pad=1)
    conv = first.node
    second = g.add(conv.op, (first.relu(), *conv.operands[1:]), conv.attrs)[0]
    g.output(second.batch_norm())


def shares_weights_after(g: Graph) -> None:
    first = g.input("image", (5, 5, 2)).batch_norm().conv(2, (3, 3))
    conv = first.node
    g.output(g.add(conv.op, (first.relu().batch_norm(), *conv.operands[1:]), conv.attrs)[0])


def pads_with_zeros(g: Graph) -> None:
    g.output(g.input("image", (5, 5, 2)).batch_norm().conv(3, (3, 3), pad=1))


def pads_one_by_one(g: Graph) -> None:
    g.output(g.input("image", (5, 5, 2)).batch_norm().conv(3, (1, 1), pad=((0, 1), (0, 0))))


def shifts_into_a_transposed(g: Graph) -> None:
    g.output(g.input("image", (5, 5, 2)).batch_norm().conv_transpose(3, (2, 2), stride=2))


def one_reader_cannot(g: Graph) -> None:
    y = g.input("image", (5, 5, 2)).batch_norm()
    g.output(y.conv(2, (1, 1)).add(y.relu()))


def is_a_result_itself(g: Graph) -> None:
    y = g.input("image", (5, 5, 2)).batch_norm()
    g.output(y, "early")
    g.output(y.conv(2, (1, 1)))


def through_an_activation_of_vectors(g: Graph) -> None:
    g.output(g.input("image", (5, 5, 2)).global_avg_pool().batch_norm().relu().dense(3))


def one_number_and_no_bias(g: Graph) -> None:
    y = g.input("image", (5, 5, 2)).conv(2, (1, 1), bias=False)
    g.output(g.pointwise(lambda e, v: v + 1.0, y).batch_norm().relu())


def is_a_kernel(g: Graph) -> None:
    """It stands at the place of a weight."""
    x, kernel = g.input("image", (5, 5, 2)), g.input("kernel", (3, 1, 2, 3), batched=False)
    g.output(g.add("conv", (x, kernel.batch_norm()), x.conv(3, (3, 1), bias=False).node.attrs)[0])


def has_a_kernel_of_each_run(g: Graph) -> None:
    x, kernel = g.input("image", (5, 5, 2)), g.input("kernel", (3, 1, 2, 3), batched=False)
    g.output(g.add("conv", (x, kernel), x.conv(3, (3, 1), bias=False).node.attrs)[0].batch_norm())


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (read_elsewhere, "the value of conv is read elsewhere too"),
        (is_a_result, "the value of conv is a result"),
        (after_an_add, "before it stands add, no layer with weights; after it stands relu, through which no shift passes"),
        (of_a_concat, "before it stands concat, no layer with weights; after it stands max_pool, no layer with weights"),
        (shares_weights, "the weights of conv are shared"),
        (shares_weights_after, "the weights of conv are shared"),
        (pads_with_zeros, "the zeros that conv pads with would not be shifted"),
        (pads_one_by_one, "the zeros that conv pads with would not be shifted"),
        (shifts_into_a_transposed, "see less of the shift"),
        (one_reader_cannot, "after it stands relu"),
        (is_a_result_itself, "it is a result"),
        (one_number_and_no_bias, "one number is no vector"),
        (through_an_activation_of_vectors, "after it stands relu, through which no shift passes"),
        (is_a_kernel, "the weights of conv change in every run"),
        (has_a_kernel_of_each_run, "the weights of conv change in every run"),
    ],
)
def test_refuses_with_its_reason(build: Callable[[Graph], None], why: str) -> None:
    g = Graph("g")
    build(g)
    ctx = context()
    new = after(bound(g), (fold_batch_norm,), ctx)
    assert "batch_norm" in words(new)
    assert any(why in r for r in refusals(ctx)), refusals(ctx)


@pytest.mark.parametrize("shape", [(4, 5, 3), (5, 3), (4, 1, 3), (1, 4, 5, 3)])
def test_a_factor_for_each_place_is_none_for_each_channel(shape: tuple[int, ...]) -> None:
    """Its last axis is that of the channels, and still it is no vector of them: nothing folds."""
    g = Graph("g")
    y = g.input("image", (6, 7, 2)).conv(3, (3, 3))
    g.output(g.multiply(y, vector(g, "s", *shape)).conv(2, (1, 1)))
    ctx = context()
    assert words(after(bound(g), FOLD, ctx)) == ["conv", "multiply", "conv"]
    assert not [e for e in ctx.log.entries if e.step == "fold_batch_norm" and not e.why]


def test_preactivations_say_why_they_stay() -> None:
    """Batch norm, ReLU, convolution: nothing stands before that has weights, and the ReLU lets nothing through."""
    for name, first in (("preact_e", "add"), ("densenet121", "concat")):
        ctx = context()
        new = fold_batch_norm(bound(cnndsl.load(name).graph), ctx)
        why = f"before it stands {first}, no layer with weights; after it stands relu, through which no shift passes"
        assert why in refusals(ctx)
        assert words(new).count("batch_norm") == len(refusals(ctx)) > 50


def test_names_of_what_is_no_longer_computed_are_forgotten() -> None:
    g = Graph("g")
    x = g.input("image", (5, 5, 2)).batch_norm()
    g.names["normed"] = x
    y = g.names["early"] = x.conv(3, (1, 1))
    g.names["late"] = y.batch_norm()
    g.output(g.names["late"].relu())
    new = after(bound(g), (fold_batch_norm,), context())
    assert list(new.names) == ["late"] and new.names["late"].node.op.name == "conv"


def test_statistics_of_the_batch_are_never_folded() -> None:
    g = training(bound(residual()), context(training=True))
    ctx = context(training=True)
    new = after(g, (fold_batch_norm,), ctx)
    assert words(new).count("batch_norm") == 4
    assert all("those of the batch" in r for r in refusals(ctx))
