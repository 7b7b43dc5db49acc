"""Winograd's tiles and products in pieces: every size, pad, block and number of workers against plain float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from cnndsl.ops.conv import CONV
from cnndsl.ops.winograd import TILES, fits, inputs_of, sides
from cnndsl.targets.numpy.frame.threads import BLAS
from cnndsl.targets.numpy.kernels.product import PIECE, multiply, pieces
from cnndsl.targets.numpy.kernels.winograd import winograd_conv2d, winograd_filter
from tests.tolerances import OP, WINOGRAD, close


def numbers(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def convolved(x: Any, w: Any, pad: Any) -> Any:
    a = CONV.attrs(w.shape[3], w.shape[:2], stride=(1, 1), pad=pad, dilation=(1, 1), bias=False)
    return CONV.reference(np, a, x.astype(np.float64), w.astype(np.float64))[0]


@pytest.fixture(params=[False, True], ids=["whole", "pieces"])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Products in one piece, and in pieces, whatever BLAS this is."""
    monkeypatch.setattr(BLAS, "small", request.param)
    return bool(request.param)


SQUARE = [
    ((1, 8, 8, 16), 8, ((1, 1), (1, 1))),
    ((1, 7, 7, 3), 5, ((1, 1), (1, 1))),
    ((3, 9, 13, 5), 4, ((0, 0), (0, 0))),
    ((2, 5, 6, 2), 3, ((2, 2), (2, 2))),
    ((2, 6, 5, 2), 3, ((2, 0), (0, 1))),
    ((1, 3, 3, 4), 4, ((0, 0), (0, 0))),
    ((1, 1, 1, 2), 2, ((1, 1), (1, 1))),
    ((1, 30, 31, 40), 48, ((1, 1), (1, 1))),
]
OTHERS = [
    ((1, 7), (1, 17, 17, 12), 8, ((0, 0), (3, 3))),
    ((7, 1), (2, 17, 16, 5), 3, ((3, 3), (0, 0))),
    ((1, 7), (3, 4, 9, 3), 4, ((0, 0), (0, 6))),
    ((5, 5), (1, 14, 13, 6), 8, ((2, 2), (2, 2))),
    ((5, 5), (2, 5, 5, 3), 2, ((0, 0), (0, 0))),
    ((1, 5), (2, 3, 8, 4), 4, ((0, 0), (2, 2))),
    ((1, 3), (1, 8, 8, 7), 6, ((0, 0), (1, 1))),
    ((3, 1), (2, 9, 3, 2), 3, ((1, 1), (0, 0))),
    ((3, 5), (2, 6, 7, 3), 4, ((1, 1), (2, 2))),
    ((7, 3), (1, 9, 6, 3), 4, ((3, 3), (1, 1))),
]


@pytest.mark.parametrize(
    ("tile", "kernel", "shape", "f", "pad"),
    [*((tile, (3, 3), *case) for case in SQUARE for tile in (2, 4)), *((2, *case) for case in OTHERS)]
    + [(4, *case) for case in OTHERS if fits(case[0], 4)],
)
def test_tiles_give_the_convolution(tile: int, kernel: Any, shape: Any, f: int, pad: Any, small: bool) -> None:
    x, w = numbers(*shape), numbers(*kernel, shape[3], f)
    wanted = convolved(x, w, pad)
    scratch = np.empty(1 << 22, np.uint8)
    u = np.empty((math.prod(inputs_of(kernel, tile)), shape[3], f), np.float32)
    winograd_filter(w, u, tile=tile, scratch=scratch)
    rows = -(-wanted.shape[1] // sides(kernel, tile)[0])
    for block in {(1, 1), (1, max(1, rows - 1)), (1, rows), (2, rows), (shape[0], rows)}:
        for workers in (1, 2, 3):
            wide = np.full((*wanted.shape[:3], f + 3), np.nan, np.float32)
            out = wide[..., 2 : 2 + f]  # a branch of a concat
            done = np.zeros(wanted.shape[:3], int).reshape(-1)
            for worker in range(workers):
                winograd_conv2d(
                    x, u, out, tile=tile, kernel=kernel, pad=pad, block=block, scratch=scratch, worker=worker,
                    workers=workers,
                    finish=lambda i, j, done=done: np.add.at(done, slice(i, j), 1),
                )  # fmt: skip
            close(out, wanted, WINOGRAD)
            assert (done == 1).all()
            assert np.isnan(wide[..., :2]).all() and np.isnan(wide[..., 2 + f :]).all()


def test_which_kernels_have_tiles() -> None:
    """Places are few, and there are points for 4, 6 or 8 inputs along an axis."""
    kernels = [(h, w) for h in range(1, 9) for w in range(1, 9)]
    found = {tile: {k for k in kernels if fits(k, tile)} for tile in TILES}
    assert found[4] == {(3, 3), (1, 3), (3, 1), (1, 5), (5, 1)}
    assert found[2] == {
        (h, w) for h, w in ((h, w) for h in (1, 3, 5, 7) for w in (1, 3, 5, 7)) if (h, w) != (1, 1) and h + w < 11
    }


@pytest.mark.parametrize("tile", [2, 4])
def test_a_turned_filter_gives_the_input_gradient(tile: int) -> None:
    from cnndsl.ops.conv import CONV_INPUT_GRAD

    gy, w = numbers(2, 6, 7, 5), numbers(3, 3, 4, 5)
    keys = {"kernel": (3, 3), "stride": (1, 1), "pad": ((1, 0), (2, 1)), "dilation": (1, 1), "groups": 1, "flip": False}
    a = CONV_INPUT_GRAD.attrs(sizes=(7, 6, 4), **keys)
    (wanted,) = CONV_INPUT_GRAD.reference(np, a, gy.astype(np.float64), w.astype(np.float64))
    u = np.empty(((tile + 2) ** 2, 5, 4), np.float32)
    scratch = np.empty(1 << 20, np.uint8)
    winograd_filter(w, u, tile=tile, turned=True, scratch=scratch)
    out = np.empty(wanted.shape, np.float32)
    winograd_conv2d(gy, u, out, tile=tile, pad=((1, 2), (0, 1)), block=(2, 4), scratch=scratch)
    close(out, wanted, WINOGRAD)


@pytest.mark.parametrize(
    ("m", "k", "n"), [(3, 4, 5), (300, 64, 64), (1001, 16, 96), (49, 256, 256), (36, 36, 3136), (7, 300, 1024), (130, 40, 800)]
)
@pytest.mark.parametrize("stack", [(), (3,)])
def test_products_in_pieces(m: int, k: int, n: int, stack: Any, small: bool) -> None:
    a, b = numbers(*stack, m, k), numbers(*stack, k, n)
    out = np.full((*stack, m, n + 2), np.nan, np.float32)
    multiply(a, b, out[..., 1:-1])
    close(out[..., 1:-1], a.astype(np.float64) @ b.astype(np.float64), OP)
    assert np.isnan(out[..., 0]).all() and np.isnan(out[..., -1]).all()


def test_pieces_cover_a_product_and_are_small_or_whole() -> None:
    for m in (1, 4, 49, 128, 129, 3136):
        for k in (1, 16, 36, 256, 384, 2048):
            for n in (1, 10, 64, 96, 1000, 1024):
                rows, columns = pieces(m, k, n)
                assert n % columns == 0
                assert (rows, columns) == (m, n) or rows * k * columns <= PIECE
