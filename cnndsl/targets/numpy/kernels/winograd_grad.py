"""The weight gradient of a 3×3 convolution of stride 1 by Winograd's tiles.

A tile of 4 × 4 numbers of gy meets the 6 × 6 numbers of x under it: as products of polynomials at six points,
gw = Aᵀ [ Σ over tiles of (B x Bᵀ) ⊙ (G gy Gᵀ) ] A, 36 products of matrices (C, tiles) · (tiles, F) instead of
9 · 16 numbers each. All transforms are products with Kronecker squares. The points 0, ±1/√2, ±√2, ∞ keep five
times more digits than the usual 0, ±1, ±2, ∞ (32 images of 32 × 32 × 16: 1.8e-6 of the largest against
1.0e-5).
Lavin, Gray, "Fast Algorithms for Convolutional Neural Networks", 2016; Barabasz et al., "Error analysis and
improving the accuracy of Winograd convolution for deep neural networks", 2020.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from cnndsl.targets.numpy.kernels.conv import blocks
from cnndsl.targets.numpy.kernels.memory import carve
from cnndsl.targets.numpy.kernels.winograd import transforms

Array = NDArray[Any]


def winograd_weight_grad(
    x: Array,
    gy: Array,
    out: Array,
    *,
    pad: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0)),
    block: tuple[int, int] = (1, 1),
    scratch: Array,
) -> None:
    """out[p, q, c, f] = Σ x[n, i + p − pad, j + q − pad, c] · gy[n, i, j, f] over n, i, j.

    x (N, H, W, C); gy (N, h, w, F); out (3, 3, C, F). block: images, and rows of tiles, at a time.
    """
    c, f = out.shape[2:]
    count, h, wide, _ = gy.shape
    images, rows = block
    columns = -(-wide // 4)
    below, turn, back = transforms((4, 4), 3)  # of x, of gy, and back
    most = images * rows * columns
    if not count:
        out[...] = 0
        return
    padded, flat, cut, lower, upper, total, part = carve(
        scratch,
        ((images, 4 * rows + 2, 4 * columns + 2, c), "f4"),
        ((images, 4 * rows, 4 * columns, f) if h % 4 or wide % 4 else (0, 0, 0, 0), "f4"),
        ((most * max(36 * c, 16 * f),), "f4"),
        ((36 * most * c,), "f4"),
        ((36 * most * f,), "f4"),
        ((36, c, f), "f4"),
        ((36, c, f), "f4"),
    )
    padded[...] = 0
    flat[...] = 0
    for number, (n0, n1, i0, i1) in enumerate(blocks(count, -(-h // 4), images, rows, 0, 1)):
        tiles = n1 - n0, i1 - i0, columns
        k = tiles[0] * tiles[1] * columns
        cut_tiles(inside(x[n0:n1], padded, 4 * i0 - pad[0][0], 4 * tiles[1] + 2, pad[1][0]), cut, 6, tiles)
        np.matmul(below, cut[: 36 * k * c].reshape(36, k * c), out=lower[: 36 * k * c].reshape(36, k * c))
        above = inside(gy[n0:n1], flat, 4 * i0, 4 * tiles[1], 0) if flat.size else gy[n0:n1, 4 * i0 : 4 * i1]
        cut_tiles(above, cut, 4, tiles)
        np.matmul(turn, cut[: 16 * k * f].reshape(16, k * f), out=upper[: 36 * k * f].reshape(36, k * f))
        a, b = lower[: 36 * k * c].reshape(36, k, c), upper[: 36 * k * f].reshape(36, k, f)
        np.matmul(a.swapaxes(1, 2), b, out=part if number else total)
        if number:
            total += part
    np.matmul(back, total.reshape(36, c * f), out=out.reshape(9, c * f))


def inside(x: Array, padded: Array, first: int, count: int, left: int) -> Array:
    """Rows first:first + count of images x in `padded`, which is zero beside them; rows outside are zero."""
    found = padded[: len(x), :count]
    low = min(max(-first, 0), count)
    high = max(min(x.shape[1] - first, count), low)
    found[:, :low] = 0
    found[:, low:high, left : left + x.shape[2]] = x[:, first + low : first + high]
    found[:, high:] = 0
    return found


def cut_tiles(x: Array, out: Array, side: int, tiles: tuple[int, int, int]) -> None:
    """out[i, j, n, r, s, c] = x[n, 4r + i, 4s + j, c] for the `side` × `side` places of each tile."""
    by_image, by_row, by_column, by_channel = x.strides
    shape = (side, side, *tiles, x.shape[3])
    view = as_strided(x, shape, (by_row, by_column, by_image, 4 * by_row, 4 * by_column, by_channel))
    size = side * side * tiles[0] * tiles[1] * tiles[2] * x.shape[3]
    np.copyto(out[:size].reshape(shape), view)
