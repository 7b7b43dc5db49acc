"""The kernels of the weight gradient against its reference: odd sizes, pads, several blocks, blocks that do not divide."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cnndsl.ops.conv import weight_grad_reference
from cnndsl.targets.numpy.kernels.conv_grad import conv2d_weight_grad_rows
from cnndsl.targets.numpy.kernels.lanes import lane_conv2d_weight_grad
from cnndsl.targets.numpy.kernels.winograd_grad import winograd_weight_grad

OP, WINOGRAD = 5e-6, 5e-5
Pads = tuple[tuple[int, int], tuple[int, int]]
SAME = ((1, 1), (1, 1))


def numbers(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape, np.float32)


def case(n: int, size: tuple[int, int], c: int, f: int, kernel: tuple[int, int], pad: Pads, **more: Any) -> tuple[Any, ...]:
    """(x, gy, the gradient in float64) of a convolution."""
    a: dict[str, Any] = {"stride": (1, 1), "dilation": (1, 1)} | more
    h, w = (
        (s + sum(p) - d * (k - 1) - 1) // t + 1
        for s, p, k, d, t in zip(size, pad, kernel, a["dilation"], a["stride"], strict=True)
    )
    x, gy = numbers(n, *size, c), numbers(n, h, w, f)
    attrs = SimpleNamespace(kernel=kernel, pad=pad, groups=1, flip=False, sizes=(*size, c), **a)
    return x, gy, weight_grad_reference(np, attrs, x.astype("f8"), gy.astype("f8"))[0]


def close(found: Any, wanted: Any, tolerance: float) -> None:
    assert np.abs(found - wanted).max() <= tolerance * np.abs(wanted).max()


def memory() -> Any:
    return np.full(1 << 24, 255, np.uint8)  # NaN, where a kernel reads what it has not written


@pytest.mark.parametrize(
    ("n", "size", "pad", "together", "block"),
    [
        (1, (5, 6), SAME, 1, (1, 5)),
        (3, (7, 6), SAME, 2, (2, 7)),
        (2, (9, 8), SAME, 4, (1, 4)),
        (2, (9, 8), ((0, 2), (2, 0)), 1, (1, 2)),
        (3, (8, 8), ((0, 0), (0, 0)), 3, (2, 6)),
    ],
)
def test_by_rows(n: int, size: tuple[int, int], pad: Pads, together: int, block: tuple[int, int]) -> None:
    x, gy, wanted = case(n, size, 3, 5, (3, 3), pad)
    out = np.empty(wanted.shape, np.float32)
    conv2d_weight_grad_rows(x, gy, out, pad=pad, together=together, block=block, scratch=memory())
    close(out, wanted, OP)


def test_by_rows_with_a_stride_of_columns_and_a_dilation() -> None:
    x, gy, wanted = case(2, (11, 9), 2, 3, (2, 3), ((1, 1), (1, 0)), stride=(1, 2), dilation=(3, 1))
    out = np.empty(wanted.shape, np.float32)
    conv2d_weight_grad_rows(
        x, gy, out, stride=2, dilation=(3, 1), pad=((1, 1), (1, 0)), together=2, block=(1, 4), scratch=memory()
    )
    close(out, wanted, OP)


@pytest.mark.parametrize(
    ("n", "size", "pad", "block"),
    [
        (1, (4, 4), SAME, (1, 1)),
        (3, (8, 12), SAME, (2, 2)),
        (2, (13, 7), SAME, (1, 3)),
        (2, (7, 7), ((0, 0), (0, 0)), (2, 2)),
        (1, (9, 10), ((2, 0), (1, 2)), (1, 1)),
        (2, (1, 2), SAME, (2, 1)),
    ],
)
def test_by_tiles(n: int, size: tuple[int, int], pad: Pads, block: tuple[int, int]) -> None:
    x, gy, wanted = case(n, size, 3, 5, (3, 3), pad)
    out = np.empty(wanted.shape, np.float32)
    winograd_weight_grad(x, gy, out, pad=pad, block=block, scratch=memory())
    close(out, wanted, OP)


def test_tiles_keep_their_digits_over_many_images() -> None:
    x, gy, wanted = case(32, (32, 32), 8, 8, (3, 3), SAME)
    out = np.empty(wanted.shape, np.float32)
    winograd_weight_grad(x, gy, out, pad=SAME, block=(2, 8), scratch=memory())
    close(out, wanted, WINOGRAD / 10)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("kernel", "stride"), [((3, 3), (1, 1)), ((3, 2), (2, 2)), ((1, 1), (1, 1))])
def test_on_lanes(turned: bool, kernel: tuple[int, int], stride: tuple[int, int]) -> None:
    pad = ((1, 1), (1, 0)) if kernel[0] > 1 else ((0, 0), (0, 0))
    x, gy, wanted = case(6, (7, 6), 2, 4, kernel, pad, stride=stride)
    wide = [np.ascontiguousarray(v.reshape(2, 3, *v.shape[1:]).transpose(0, 2, 3, 4, 1)) for v in (x, gy)]
    wide = [v.reshape(*v.shape[:3], -1) for v in wide]
    out = np.empty(wanted.shape, np.float32)
    lane_conv2d_weight_grad(*wide, out, lanes=3, stride=stride, pad=pad, turned=turned, scratch=memory())
    close(out, wanted, OP)


def test_the_cheapest_is_chosen() -> None:
    from cnndsl.targets.numpy.lower import LOWERINGS

    found = {}
    for n, h, c, f in ((64, 32, 16, 16), (8, 56, 64, 64), (8, 7, 512, 512)):
        from cnndsl.graph.graph import Graph

        g = Graph("one")
        x, gy = g.input("x", (h, h, c)), g.input("gy", (h, h, f))
        for v in (x, gy):
            v.type = v.type.bind({"N": n})
        keys = {"kernel": (3, 3), "stride": (1, 1), "pad": SAME, "dilation": (1, 1), "groups": 1, "flip": False}
        node = g.conv_weight_grad(x, gy, **keys, sizes=(h, h, c)).node
        choice = LOWERINGS["conv_weight_grad"].choose(node, 1)
        assert choice is not None
        found[c] = choice.algorithm
    assert found == {16: "rows", 64: "winograd", 512: "windows"}


def test_a_step_that_uses_them() -> None:
    from cnndsl.graph.graph import Graph
    from cnndsl.language.recipe import Sgd
    from cnndsl.training.step import compile_step

    g = Graph("both")
    x = g.input("image", (18, 18, 1)).conv(5, (5, 5), pad=2, name="first").tanh().conv(64, (3, 3), name="second").tanh()
    x = x.conv(64, (3, 3), pad=1, name="third").tanh().global_avg_pool().dense(4, name="logits")
    g.output(x.softmax())
    weights = g.initial_weights(3)
    keys: dict[str, Any] = {"loss": "cross_entropy(logits)", "optimizer": Sgd(0.1), "batch": 5, "threads": 2}
    ours, judge = compile_step(g, weights, **keys), compile_step(g, weights, target="reference", **keys)
    text = ours.executable.source
    assert "conv2d_weight_grad_rows(" in text
    assert "winograd_weight_grad(" in text
    images, labels = numbers(5, 18, 18, 1), np.arange(5, dtype=np.int32) % 4
    assert abs(ours(images, labels) - judge(images, labels)) < 1e-5
    for name, wanted in judge.state.items():
        step, moved = ours.state[name] - weights.get(name, 0), wanted - weights.get(name, 0)
        assert np.abs(step - moved).max() <= 1e-3 * np.abs(moved).max()
