"""3×3 convolutions of stride 1 by Winograd's tiles: all three transforms are matrix products.

A tile of m × m outputs is made from a × a inputs, a = m + 2. A block of tiles is gathered so that each of the a² places
in a tile is a row; the transforms along both axes at once are one product with a Kronecker square, (a², a²) forth and
(m², a²) back, and between them stand a² products over channels (tiles, C) · (C, F). A block stays in the cache through
all of it. Lavin, Gray, "Fast Algorithms for Convolutional Neural Networks", 2016; see `cnndsl/ops/winograd.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from cnndsl.targets.numpy.kernels.conv import blocks
from cnndsl.targets.numpy.kernels.memory import carve
from cnndsl.targets.numpy.kernels.product import multiply

Array = NDArray[Any]

INPUT_2 = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
INPUT_4 = np.array(
    [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0], [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0],
     [0, 4, 0, -5, 0, 1]]
)  # fmt: skip
FILTER_2 = np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]]) / 2
FILTER_4 = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
OUTPUT_2 = np.array([[1, 1, 1, 0], [0, 1, -1, -1]])
OUTPUT_4 = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])
# Along both axes at once, by the size of the tile.
INPUT_TRANSFORM = {2: np.kron(INPUT_2, INPUT_2).astype("f4"), 4: np.kron(INPUT_4, INPUT_4).astype("f4")}
FILTER_TRANSFORM = {2: np.kron(FILTER_2, FILTER_2).astype("f4"), 4: np.kron(FILTER_4, FILTER_4).astype("f4")}
OUTPUT_TRANSFORM = {2: np.kron(OUTPUT_2, OUTPUT_2).astype("f4"), 4: np.kron(OUTPUT_4, OUTPUT_4).astype("f4")}


def winograd_filter(w: Array, out: Array, *, tile: int, turned: bool = False, scratch: Array) -> None:
    """out = G w Gᵀ for each channel and filter. w (3, 3, C, F); out (a², C, F), or turned round and (a², F, C)."""
    c, f = w.shape[2:]
    if turned:
        (straight,) = carve(scratch, ((len(out), c * f), "f4"))
        np.matmul(FILTER_TRANSFORM[tile][:, ::-1].copy(), w.reshape(9, c * f), out=straight)
        np.copyto(out, straight.reshape(len(out), c, f).swapaxes(1, 2))
    else:
        np.matmul(FILTER_TRANSFORM[tile], w.reshape(9, c * f), out=out.reshape(len(out), c * f))


def winograd_conv2d(
    x: Array,
    u: Array,
    out: Array,
    *,
    tile: int,
    pad: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0)),
    block: tuple[int, int] = (1, 1),
    scratch: Array,
    finish: Callable[[int, int], None] | None = None,
    worker: int = 0,
    workers: int = 1,
) -> None:
    """out[n, i, j, f] = Σ x[n, i + p − pad, j + q − pad, c] · w[p, q, c, f] over p, q, c; u is w transformed.

    x (N, H, W, C); u (a², C, F); out (N, h, w, F). block: images, and rows of tiles, at a time.
    finish(i, j): called when positions i:j of out (N·h·w in all) are there, to add bias or activation while in cache.
    """
    m, a = tile, tile + 2
    count, h, w, f = out.shape
    c = x.shape[3]
    images, rows = block
    columns = -(-w // m)
    size = a * a * images * rows * columns * max(c, f)
    padded, first, second = carve(scratch, ((images, m * rows + 2, m * columns + 2, c), "f4"), ((size,), "f4"), ((size,), "f4"))
    padded[...] = 0
    for n0, n1, i0, i1 in blocks(count, -(-h // m), images, rows, worker, workers):
        tiles = n1 - n0, i1 - i0, columns
        number = tiles[0] * tiles[1] * tiles[2]
        d, v = (x[: a * a * number * c].reshape(a * a, number * c) for x in (first, second))
        gather_tiles(x[n0:n1], padded, d.reshape(a, a, *tiles, c), i0 * m - pad[0][0], pad[1][0])
        multiply(INPUT_TRANSFORM[m], d, v)
        products = first[: a * a * number * f].reshape(a * a, number, f)
        multiply(v.reshape(a * a, number, c), u, products)
        y = second[: m * m * number * f].reshape(m * m, number * f)
        multiply(OUTPUT_TRANSFORM[m], products.reshape(a * a, number * f), y)
        last = min(i1 * m, h)
        scatter_tiles(y.reshape(m, m, *tiles, f), out[n0:n1, i0 * m : last])
        if finish is not None:
            finish((n0 * h + i0 * m) * w, ((n1 - 1) * h + last) * w)


def gather_tiles(x: Array, padded: Array, out: Array, top: int, left: int) -> None:
    """out[i, j, n, r, s, c] = x[n, top + r·m + i, s·m + j − left, c], zero outside the image. out (a, a, n, r, s, C).

    `padded` must be zero beside the image.
    """
    a, _, n, r, _, _ = out.shape
    m = a - 2
    source = padded[:n, : r * m + 2]
    low = min(max(-top, 0), r * m + 2)
    high = max(min(x.shape[1] - top, r * m + 2), low)
    source[:, :low] = 0
    source[:, low:high, left : left + x.shape[2]] = x[:, top + low : top + high]
    source[:, high:] = 0
    by_image, by_row, by_column, by_channel = source.strides
    np.copyto(out, as_strided(source, out.shape, (by_row, by_column, by_image, m * by_row, m * by_column, by_channel)))


def scatter_tiles(y: Array, out: Array) -> None:
    """out[n, r·m + i, s·m + j, f] = y[i, j, n, r, s, f], as far as out (n, h, w, F) goes."""
    m, _, _, r, s, _ = y.shape
    if out.shape[1:3] == (r * m, s * m):
        by_image, by_row, by_column, by_channel = out.strides
        np.copyto(as_strided(out, y.shape, (by_row, by_column, by_image, m * by_row, m * by_column, by_channel)), y)
        return
    for i in range(m):
        for j in range(m):
            part = out[:, i::m, j::m]
            np.copyto(part, y[i, j, :, : part.shape[1], : part.shape[2]])
