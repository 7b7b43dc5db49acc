"""Convolutions of stride 1 by Winograd's tiles: all three transforms are matrix products.

A tile of m outputs along an axis is made from a = m + k − 1 inputs. A block of tiles is gathered so that each
of the places in a tile is a row; the transforms along both axes at once are one product with a Kronecker
product, (a², a²) forth and (m², a²) back, and between them stand a² products over channels (tiles, C) · (C,
F). A block stays in the cache through all of it. Lavin, Gray, "Fast Algorithms for Convolutional Neural
Networks", 2016; see `cnndsl/ops/winograd.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from cnndsl.ops.winograd import along, inputs_of, sides
from cnndsl.targets.numpy.kernels.conv import blocks
from cnndsl.targets.numpy.kernels.memory import carve
from cnndsl.targets.numpy.kernels.product import multiply

Array = NDArray[Any]


@functools.cache
def transforms(kernel: tuple[int, int], tile: int) -> tuple[Array, Array, Array]:
    """Of inputs, filters and outputs, along both axes at once."""
    m = sides(kernel, tile)
    input_, filter_, output = (
        np.kron(down, across).astype("f4")
        for down, across in zip(along(m[0], kernel[0]), along(m[1], kernel[1]), strict=True)
    )
    return input_, filter_, output


def winograd_filter(w: Array, out: Array, *, tile: int, turned: bool = False, scratch: Array) -> None:
    """out = G w Gᵀ for each channel and filter.

    w (kH, kW, C, F); out (aH·aW, C, F), or turned round and (…, F, C).
    """
    kh, kw, c, f = w.shape
    transform = transforms((kh, kw), tile)[1]
    if turned:
        (straight,) = carve(scratch, ((len(out), c * f), "f4"))
        np.matmul(transform[:, ::-1].copy(), w.reshape(kh * kw, c * f), out=straight)
        np.copyto(out, straight.reshape(len(out), c, f).swapaxes(1, 2))
    else:
        np.matmul(transform, w.reshape(kh * kw, c * f), out=out.reshape(len(out), c * f))


def winograd_conv2d(
    x: Array,
    u: Array,
    out: Array,
    *,
    tile: int,
    kernel: tuple[int, int] = (3, 3),
    pad: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0)),
    block: tuple[int, int] = (1, 1),
    scratch: Array,
    finish: Callable[[int, int], None] | None = None,
    worker: int = 0,
    workers: int = 1,
) -> None:
    """out[n, i, j, f] = Σ x[n, i + p − pad, j + q − pad, c] · w[p, q, c, f] over p, q, c; u is w transformed.

    x (N, H, W, C); u (aH·aW, C, F); out (N, h, w, F). block: images, and rows of tiles, at a time.
    finish(i, j): called when positions i:j of out (N·h·w in all) are there, for bias and activation.
    """
    (mh, mw), (ah, aw) = sides(kernel, tile), inputs_of(kernel, tile)
    forth, _, back = transforms(kernel, tile)
    count, h, w, f = out.shape
    c = x.shape[3]
    images, rows = block
    columns = -(-w // mw)
    size = ah * aw * images * rows * columns * max(c, f)
    padded, first, second = carve(
        scratch,
        ((images, mh * (rows - 1) + ah, mw * (columns - 1) + aw, c), "f4"),
        ((size,), "f4"),
        ((size,), "f4"),
    )
    padded[...] = 0
    for n0, n1, i0, i1 in blocks(count, -(-h // mh), images, rows, worker, workers):
        tiles = n1 - n0, i1 - i0, columns
        number = tiles[0] * tiles[1] * tiles[2]
        d, v = (x[: ah * aw * number * c].reshape(ah * aw, number * c) for x in (first, second))
        gather_tiles(x[n0:n1], padded, d.reshape(ah, aw, *tiles, c), (mh, mw), i0 * mh - pad[0][0], pad[1][0])
        multiply(forth, d, v)
        products = first[: ah * aw * number * f].reshape(ah * aw, number, f)
        multiply(v.reshape(ah * aw, number, c), u, products)
        y = second[: mh * mw * number * f].reshape(mh * mw, number * f)
        multiply(back, products.reshape(ah * aw, number * f), y)
        last = min(i1 * mh, h)
        scatter_tiles(y.reshape(mh, mw, *tiles, f), out[n0:n1, i0 * mh : last])
        if finish is not None:
            finish((n0 * h + i0 * mh) * w, ((n1 - 1) * h + last) * w)


def gather_tiles(x: Array, padded: Array, out: Array, step: tuple[int, int], top: int, left: int) -> None:
    """out[i, j, n, r, s, c] = x[n, top + r·mH + i, s·mW + j − left, c], zero outside the image.

    out (aH, aW, n, r, s, C). `padded` must be zero beside the image. step: mH, mW, the outputs of a tile.
    """
    (mh, mw), (ah, _, n, r, _, _) = step, out.shape
    high_end = (r - 1) * mh + ah
    source = padded[:n, :high_end]
    low = min(max(-top, 0), high_end)
    high = max(min(x.shape[1] - top, high_end), low)
    source[:, :low] = 0
    source[:, low:high, left : left + x.shape[2]] = x[:, top + low : top + high]
    source[:, high:] = 0
    by_image, by_row, by_column, by_channel = source.strides
    np.copyto(
        out,
        as_strided(source, out.shape, (by_row, by_column, by_image, mh * by_row, mw * by_column, by_channel)),
    )


def scatter_tiles(y: Array, out: Array) -> None:
    """out[n, r·mH + i, s·mW + j, f] = y[i, j, n, r, s, f], as far as out (n, h, w, F) goes."""
    mh, mw, _, r, s, _ = y.shape
    if out.shape[1:3] == (r * mh, s * mw):
        by_image, by_row, by_column, by_channel = out.strides
        np.copyto(
            as_strided(out, y.shape, (by_row, by_column, by_image, mh * by_row, mw * by_column, by_channel)),
            y,
        )
        return
    for i in range(mh):
        for j in range(mw):
            part = out[:, i::mh, j::mw]
            np.copyto(part, y[i, j, :, : part.shape[1], : part.shape[2]])
