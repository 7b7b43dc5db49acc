"""Layouts: what goes on lanes, that the numbers stay, the cheapest regions, and every case in which nothing is laid out."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from cnndsl.graph.graph import Graph, Node, Value
from cnndsl.graph.networks import cheapest_side
from cnndsl.language.recipe import Sgd, parse_loss
from cnndsl.passes.choose_layout import choose_layout
from cnndsl.passes.context import Context, Log, Options
from cnndsl.passes.dead_code import dead_code
from cnndsl.passes.specialise import specialise
from cnndsl.program.check import check
from cnndsl.program.plan import plan
from cnndsl.targets.numpy import TARGET, NumpyTarget
from cnndsl.targets.reference.interpreter import evaluate
from cnndsl.training.step import build_step
from tests.passes.networks import inputs, refusals, weights, words

BATCH = 32


class Eager(NumpyTarget):
    """A target that would have everything on lanes, for whatever it costs elsewhere."""

    name = "eager"
    gain = 1.0
    cost = 1e-3

    def lane_gain(self, node: Node, lanes: int, workers: int) -> float | None:
        return self.gain if node.op.name.startswith("conv") else 0.0

    def lane_border(self, value: Value, lanes: int, workers: int) -> float:
        return self.cost


def context(target: Any, batch: int = BATCH, workers: int = 2, training: bool = False) -> Context:
    return Context(target, Options(batch=batch, workers=workers, training=training), Log())


def tower() -> Graph:
    """What can be on lanes, one after the other: strides, pads, norms, joins, pools, and layers that cannot."""
    g = Graph("tower")
    x = g.input("image", (9, 8, 2)).conv(3, (3, 3), pad=1).batch_norm().relu()
    y = x.conv(4, (3, 2), stride=2, pad=((1, 0), (0, 1)), bias=False).batch_norm().leaky_relu()
    z = y.max_pool((2, 2), stride=1, pad=((0, 1), (0, 1))).concat(y.conv(2, (1, 1)))
    z = z.avg_pool((2, 2), stride=2, round="ceil").pad(1, channels=(1, 2))
    z = z.add(z.conv(9, (3, 3), pad=1, name="wide")).conv(5, (3, 3), groups=1, name="last")
    g.output(z.global_avg_pool().dense(3, name="logits"))
    return g


def same_numbers(before: Graph, after: Graph) -> None:
    state, given = weights(before), inputs(before)
    wanted, found = (evaluate(g, given, state, dtype="float64") for g in (before, after))
    for old, new in zip(wanted, found, strict=True):
        assert old.keys() == new.keys()
        for name in old:
            np.testing.assert_allclose(new[name], old[name], rtol=1e-9, atol=1e-10 * max(1, float(np.abs(old[name]).max())))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_whole_network_on_lanes(workers: int) -> None:
    ctx = context(Eager(), workers=workers)
    graph = specialise(tower(), ctx)
    new = choose_layout(graph, ctx)
    found = words(new)
    assert found.count("lane_conv") == 5 and "conv" not in found
    assert found.count("to_lanes") == found.count("from_lanes") == 1
    lanes = next(n.attrs.lanes for n in new.nodes if n.op.name == "to_lanes")
    assert lanes == 32 // workers
    same_numbers(graph, new)


def training_step(batch: int = BATCH) -> Graph:
    return build_step(tower(), parse_loss("cross_entropy(logits)"), Sgd(0.1, 0.9), batch)


def test_a_training_step_on_lanes() -> None:
    ctx = context(Eager(), training=True)
    graph = dead_code(training_step(), ctx)
    new = choose_layout(graph, ctx)
    found = words(new)
    assert not {"conv", "conv_weight_grad", "conv_input_grad"} & set(found)
    assert {"lane_conv", "lane_conv_weight_grad", "lane_conv_input_grad"} <= set(found)
    lanes = {n.operands[0].type.sizes[0] for n in new.nodes if n.op.name == "moments"}
    assert lanes == {BATCH // next(n.attrs.lanes for n in new.nodes if n.op.name == "to_lanes")}
    same_numbers(graph, new)


def test_sums_that_are_not_of_channels_stay_on_images() -> None:
    """Of a weight, of each image, and of the vectors behind a pool; that of channels goes on lanes."""
    g = Graph("sums")
    x = g.input("image", (5, 5, 2)).conv(3, (3, 3), name="first")
    graph = specialise(g, context(Eager()))
    y = next(n for n in graph.nodes if n.op.name == "conv").outputs[0]
    graph.output(graph.reduce_sum(y, axes=(0, 1, 2)), "channels")
    graph.output(graph.reduce_sum(y, axes=(1, 2)), "images")
    graph.output(graph.reduce_sum(y, axes=(1, 2, 3)), "all")
    graph.output(graph.reduce_sum(y.node.operands[1], axes=(0, 1, 2)), "filters")
    graph.output(graph.reduce_sum(y.global_avg_pool(), axes=(0,)), "vectors")
    assert x.node.op is y.node.op
    ctx = context(Eager())
    new = choose_layout(graph, ctx)
    assert "lane_conv" in words(new)
    read = {tuple(n.operands[0].type.sizes) for n in new.nodes if n.op.name == "reduce_sum"}
    assert read >= {(2, 3, 3, 48), (32, 3, 3, 3), (3, 3, 2, 3), (32, 3)}
    same_numbers(graph, new)


@pytest.mark.parametrize("shape", ["map", "gate"])
def test_a_product_with_other_channels_stays_on_images(shape: str) -> None:
    """A map of one channel is stretched over all channels, which are several images' on lanes."""
    g = Graph("gate")
    x = g.input("image", (5, 5, 2))
    y, one = x.conv(3, (3, 3)), x.conv(1, (3, 3))
    other = one if shape == "map" else one.global_avg_pool().reshape(size=(1, 1, 1))
    g.output(g.pointwise(lambda e, a, b: a * b, y, other).conv(2, (1, 1)))
    ctx = context(Eager())
    graph = specialise(g, ctx)
    new = choose_layout(graph, ctx)
    assert "lane_conv" in words(new)
    product = next(n for n in new.nodes if n.op.name == "pointwise" and len(n.operands) == 2 and n.operands[1].type.rank == 4)
    assert product.outputs[0].type.sizes == (BATCH, 3, 3, 3)
    same_numbers(graph, new)


@pytest.mark.parametrize("workers", [1, 2])
def test_plans_of_lanes_are_right(workers: int) -> None:
    """The judge of plans finds nothing: images and lanes are cut between workers at the same places."""
    ctx = context(Eager(), workers=workers, training=True)
    graph = choose_layout(dead_code(training_step(), ctx), ctx)
    assert check(plan(graph, TARGET, BATCH, workers, training=True)) == []


def test_one_channel_alone_is_a_vector_too() -> None:
    g = Graph("gray")
    g.output(g.input("image", (5, 5, 1)).batch_norm().conv(3, (3, 3)).relu())
    ctx = context(Eager())
    graph = specialise(g, ctx)
    new = choose_layout(graph, ctx)
    assert words(new).count("repeat_lanes") == 5  # four of the norm, and the bias
    same_numbers(graph, new)


def test_twice_is_once() -> None:
    ctx = context(Eager())
    once = choose_layout(specialise(tower(), ctx), ctx)
    assert words(choose_layout(once, ctx)) == words(once)


def grouped(g: Graph) -> None:
    g.output(g.input("image", (5, 5, 4)).conv(4, (3, 3), groups=2))


def dilated(g: Graph) -> None:
    g.output(g.input("image", (5, 5, 4)).conv(4, (2, 2), dilation=2))


def reflected(g: Graph) -> None:
    g.output(g.input("image", (5, 5, 4)).conv(4, (3, 3), pad=1, pad_mode="reflect"))


def turned(g: Graph) -> None:
    g.output(g.input("image", (5, 5, 4)).conv(4, (3, 3), flip=True))


@pytest.mark.parametrize("build", [grouped, dilated, reflected, turned])
def test_convolutions_without_a_twin_stay(build: Any) -> None:
    g = Graph("g")
    build(g)
    ctx = context(Eager())
    graph = specialise(g, ctx)
    assert choose_layout(graph, ctx) is graph
    assert any("no region wins" in r for r in refusals(ctx))


def test_a_batch_that_does_not_divide_stays() -> None:
    ctx = context(Eager(), batch=24)
    graph = specialise(tower(), ctx)
    assert choose_layout(graph, ctx) is graph
    assert any("24 images are no multiple of 16 images for each of 2 workers" in r for r in refusals(ctx))


def test_a_target_without_lanes_is_left_alone() -> None:
    ctx = context(None)
    graph = specialise(tower(), ctx)
    assert choose_layout(graph, ctx) is graph


def test_borders_that_cost_more_than_the_gain() -> None:
    target = Eager()
    target.cost = 10.0
    ctx = context(target)
    graph = specialise(tower(), ctx)
    assert choose_layout(graph, ctx) is graph


def test_a_named_value_on_lanes_can_be_asked_for() -> None:
    g = tower()
    wide = next(n for n in g.nodes if n.op.name == "conv" and n.path == "wide")
    g.output(wide.outputs[0], "wide")
    ctx = context(Eager())
    graph = specialise(g, ctx)
    new = choose_layout(graph, ctx)
    assert words(new).count("from_lanes") == 2
    same_numbers(graph, new)


@pytest.mark.parametrize("seed", range(12))
def test_the_cut_is_the_cheapest(seed: int) -> None:
    """Against every choice there is, on small random graphs, some of whose nodes cannot change."""
    rng = np.random.default_rng(seed)
    g = Graph("g")
    values = [g.input("image", (2,))]
    for _ in range(8):
        picked = rng.choice(len(values), size=int(rng.integers(1, 3)))
        values.append(g.pointwise(lambda e, *x: sum(x[1:], x[0]), *(values[i] for i in picked)))
    nodes = [v.node for v in values[1:]]
    gains = {n: float(rng.normal()) for n in nodes if rng.random() < 0.8}
    users = g.users()
    borders = [
        (v.node, [*dict.fromkeys(users[v.node.id]), *([None] if rng.random() < 0.3 else [])], float(rng.random()))
        for v in values
    ]
    borders = [b for b in borders if b[1]]

    def worth(side: set[Node]) -> float:
        total = sum(gains[n] for n in side)
        for maker, readers, cost in borders:
            ends = {r in side for r in readers} | {maker in side}
            total -= cost * (len(ends) > 1)
        return total

    best = max(worth(set(s)) for k in range(len(gains) + 1) for s in itertools.combinations(gains, k))
    assert worth(cheapest_side(gains, borders)) == pytest.approx(best, abs=1e-9)
