"""Winograd's tiles: what the pass makes, that the numbers stay, and every case in which it must not fire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cnndsl.autodiff import differentiate
from cnndsl.graph.graph import INPUT, Graph, Node
from cnndsl.graph.types import TensorType
from cnndsl.passes.dead_code import dead_code
from cnndsl.passes.fold_batch_norm import fold_batch_norm
from cnndsl.passes.winograd import winograd
from cnndsl.targets.numpy import NumpyTarget
from tests.passes.networks import BATCH, after, bound, context, refusals, residual, words


class Tiles(NumpyTarget):
    """A target that wants tiles of one size wherever they can be."""

    def __init__(self, tile: int) -> None:
        self.tile = tile

    def winograd(self, node: Node, workers: int, training: bool) -> int:
        return self.tile


def with_tiles(tile: int, **options: Any) -> Any:
    ctx = context(**options)
    ctx.target = Tiles(tile)
    return ctx


@pytest.mark.parametrize("tile", [2, 4])
def test_a_residual_block(tile: int) -> None:
    """Two of its four convolutions have stride 1, one group and a kernel of 3 × 3."""
    ctx = with_tiles(tile)
    found = words(after(bound(residual()), (fold_batch_norm, dead_code, winograd), ctx))
    assert found.count("winograd_conv") == found.count("winograd_filter") == 2
    assert found.count("conv") == 2
    assert any("a stride or a dilation" in r for r in refusals(ctx))


@pytest.mark.parametrize("pad", [0, 1, 2, ((2, 0), (0, 1))])
@pytest.mark.parametrize("tile", [2, 4])
def test_pads_and_sizes_that_are_no_multiple_of_the_tile(tile: int, pad: Any) -> None:
    g = Graph("g")
    g.output(g.input("image", (7, 10, 3)).conv(5, (3, 3), pad=pad))
    assert "winograd_conv" in words(after(bound(g), (winograd,), with_tiles(tile)))


@pytest.mark.parametrize("pad", [0, 1, ((2, 0), (0, 1))])
@pytest.mark.parametrize("tile", [2, 4])
def test_input_gradients(tile: int, pad: Any) -> None:
    g = Graph("g")
    x = g.source(INPUT, "image", TensorType((BATCH, 7, 10, 3)), batched=True)
    y = x.conv(5, (3, 3), pad=pad, bias=False)
    loss = g.reduce_sum(g.pointwise(lambda e, v: v * v, y), axes=(0, 1, 2, 3))
    (gradient,) = differentiate(g, loss, [x])
    assert gradient is not None
    g.output(gradient, "gradient")
    found = words(after(g, (winograd,), with_tiles(tile, training=True)))
    assert found.count("winograd_conv") == 2 and "conv_input_grad" not in found


@pytest.mark.parametrize("kernel", [(5, 5), (1, 7), (7, 1), (3, 1), (3, 5)])
def test_other_kernels_and_their_input_gradients(kernel: tuple[int, int]) -> None:
    pad = tuple((k // 2, k - 1 - k // 2) for k in kernel)
    g = Graph("g")
    x = g.source(INPUT, "image", TensorType((BATCH, 7, 10, 3)), batched=True)
    y = x.conv(5, kernel, pad=pad, bias=False)
    loss = g.reduce_sum(g.pointwise(lambda e, v: v * v, y), axes=(0, 1, 2, 3))
    (gradient,) = differentiate(g, loss, [x])
    assert gradient is not None
    g.output(gradient, "gradient")
    found = words(after(g, (winograd,), with_tiles(2, training=True)))
    assert found.count("winograd_conv") == 2 and "conv" not in found and "conv_input_grad" not in found


def strided(g: Graph) -> None:
    g.output(g.input("image", (8, 8, 2)).conv(3, (3, 3), stride=2))


def dilated(g: Graph) -> None:
    g.output(g.input("image", (8, 8, 2)).conv(3, (3, 3), dilation=2))


def grouped(g: Graph) -> None:
    g.output(g.input("image", (8, 8, 2)).conv(4, (3, 3), groups=2))


def reflected(g: Graph) -> None:
    g.output(g.input("image", (8, 8, 2)).conv(3, (3, 3), pad=1, pad_mode="reflect"))


def backwards(g: Graph) -> None:
    g.output(g.input("image", (8, 8, 2)).conv(3, (3, 3), flip=True))


def far_padded(g: Graph) -> None:
    g.output(g.input("image", (8, 8, 2)).conv(3, (3, 3), pad=3))


def nine_wide(g: Graph) -> None:
    g.output(g.input("image", (12, 12, 2)).conv(3, (9, 1)))


def of_doubles(g: Graph) -> None:
    g.output(g.input("image", (8, 8, 2), "float64").conv(3, (3, 3)))


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (strided, "a stride or a dilation"),
        (dilated, "a stride or a dilation"),
        (grouped, "it has groups"),
        (reflected, "its padding is not zero"),
        (backwards, "its kernel is read backwards"),
        (far_padded, "padded by more than its kernel"),
        (nine_wide, "no tiles"),
        (of_doubles, "it is not float32"),
    ],
)
def test_refuses_with_its_reason(build: Callable[[Graph], None], why: str) -> None:
    g = Graph("g")
    build(g)
    ctx = with_tiles(4)
    assert words(after(bound(g), (winograd,), ctx)) == ["conv"]
    assert any(why in r for r in refusals(ctx))


def test_leaves_other_targets_alone() -> None:
    g = Graph("g")
    g.output(g.input("image", (8, 8, 2)).conv(3, (3, 3)))
    assert words(after(bound(g), (winograd,), context())) == ["conv"]


def test_the_numpy_target_wants_it_for_many_channels_only() -> None:
    from cnndsl.targets.numpy import TARGET

    for channels, wanted in ((64, ["winograd_filter", "winograd_conv"]), (1, ["conv"])):
        g = Graph("g")
        g.output(g.input("image", (56, 56, channels)).conv(64, (3, 3), pad=1))
        ctx = context()
        ctx.target = TARGET
        assert words(winograd(bound(g), ctx)) == wanted


def test_a_shared_weight_is_transformed_once() -> None:
    g = Graph("shared")
    x = g.input("image", (9, 8, 4)).conv(4, (3, 3), pad=1, bias=False)
    weight = x.node.operands[1]
    for _ in range(2):
        x = g.add(x.node.op, (x.relu(), weight), x.node.attrs)[0].relu().node.operands[0]
    g.output(x)
    new = after(bound(g), (winograd,), with_tiles(4))
    assert words(new).count("winograd_conv") == 3 and words(new).count("winograd_filter") == 1
