"""Padding by reflection or edges as a value: where it is made, once for both readers, and where nothing changes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cnndsl.autodiff import differentiate
from cnndsl.graph.graph import Graph, Origin, Value
from cnndsl.passes.context import Context, Log, Options
from cnndsl.passes.dead_code import dead_code
from cnndsl.passes.explicit_padding import explicit_padding
from cnndsl.passes.pipelines import INFERENCE
from cnndsl.passes.training import training
from cnndsl.targets import target_named
from tests.passes.networks import BATCH, after, bound, context


def image(g: Graph) -> Value:
    return g.input("image", (7, 8, 4))


def reflected(g: Graph) -> Value:
    return image(g).conv(5, (3, 3), pad=((1, 2), (0, 2)), stride=2, pad_mode="reflect")


def edges(g: Graph) -> Value:
    return image(g).conv(6, (3, 2), pad="same", dilation=(2, 1), groups=2, pad_mode="edge")


def depthwise(g: Graph) -> Value:
    return image(g).depthwise_conv((3, 3), pad=1, pad_mode="reflect", bias=False)


def volume(g: Graph) -> Value:
    return g.input("image", (4, 3, 5, 2)).conv(3, (3, 3, 3), pad=1, pad_mode="edge")


def nothing_to_pad(g: Graph) -> Value:
    return image(g).conv(5, (1, 1), pad="same_symmetric", pad_mode="reflect")


def numpy_context() -> Context:
    return Context(target_named("numpy"), Options(batch=BATCH), Log())


@pytest.mark.parametrize("build", [reflected, edges, depthwise, volume])
def test_padding_becomes_a_value(build: Callable[[Graph], Value]) -> None:
    g = Graph("g")
    g.output(build(g))
    found = after(bound(g), (explicit_padding,), numpy_context())
    (pad,), (conv,) = ([n for n in found.nodes if n.op.name == name] for name in ("pad", "conv"))
    assert conv.operands[0].node is pad
    assert conv.attrs.pad_mode == "zero" and not np.any(conv.attrs.pad)
    assert pad.origin.path == f"{conv.origin.path}.pad"


def test_where_nothing_is_padded_the_mode_goes() -> None:
    g = Graph("g")
    g.output(nothing_to_pad(g))
    found = after(bound(g), (explicit_padding,), numpy_context())
    assert [n.attrs.pad_mode for n in found.nodes if n.op.name == "conv"] == ["zero"]
    assert not [n for n in found.nodes if n.op.name == "pad"]


@pytest.mark.parametrize("build", [reflected, edges, depthwise, volume, nothing_to_pad])
def test_forward_and_gradient_share_one(build: Callable[[Graph], Value]) -> None:
    g = Graph("g")
    g.output(build(g).tanh(), "y")
    g = training(bound(g), context(), frozenset(), 1)
    y = g.outputs["y"]
    loss = g.reduce_sum(y, axes=tuple(range(y.type.rank)), origin=Origin("loss"))
    weight = next(v for n, v in g.state_values.items() if n.endswith("weight"))
    found = differentiate(g, loss, [g.inputs["image"], weight])
    g.outputs = {"loss": loss} | {f"by {k}": x for k, x in enumerate(found) if x is not None}
    assert len(g.outputs) == 3
    pads = [n for n in g.nodes if n.op.name == "pad"]
    made = after(g, (explicit_padding, dead_code), numpy_context())
    assert len([n for n in made.nodes if n.op.name == "pad"]) == len(pads) == (0 if build is nothing_to_pad else 1)
    assert len([n for n in made.nodes if n.op.name == "pad_grad"]) == len(pads)


def test_two_readers_share_one_and_two_amounts_do_not() -> None:
    g = Graph("g")
    x = image(g)
    one = x.conv(3, (3, 3), pad=1, pad_mode="reflect")
    two = x.conv(2, (3, 3), pad=1, pad_mode="reflect")
    three = x.conv(2, (5, 5), pad=2, pad_mode="reflect")
    four = x.conv(2, (3, 3), pad=1, pad_mode="edge")
    g.output(one.concat(two, three, four))
    found = after(bound(g), (explicit_padding,), numpy_context())
    assert sorted((n.attrs.mode, n.attrs.amount[0][0]) for n in found.nodes if n.op.name == "pad") == [
        ("edge", 1), ("reflect", 1), ("reflect", 2)
    ]  # fmt: skip


def test_other_targets_keep_it() -> None:
    g = Graph("g")
    g.output(reflected(g))
    before = bound(g)
    for ctx in (context(), Context(target_named("cupy"), Options(batch=BATCH), Log())):
        assert explicit_padding(before, ctx) is before


def test_a_batch_norm_before_still_folds() -> None:
    """It is folded first: a pad between would keep the two apart."""
    g = Graph("g")
    g.output(image(g).batch_norm().conv(5, (3, 3), pad=1, pad_mode="reflect"))
    found = after(bound(g), INFERENCE, numpy_context())
    kinds = {n.op.name for n in found.nodes}
    assert "pad" in kinds and "batch_norm" not in kinds
