"""Convolution as matrix products over cache-sized blocks of rows.

One row of a product makes `together` neighbouring outputs of an image row: it reads the
reach = (together − 1)·stride + kW columns under them, in each of kH rows, and meets a banded weight that
holds `together` shifted copies of the kernel. With together = 1 this is im2col. More copies mean more
arithmetic but fewer bytes to gather, which wins where channels are few (LeNet's first layer, 128 images: 4
instead of 1 halves the time).

Letters: N images, H × W input, C channels, h × w output, F filters, kH × kW kernel, s stride,
d dilation, t together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from cnndsl.targets.numpy.kernels.memory import carve
from cnndsl.targets.numpy.kernels.product import multiply

Array = NDArray[Any]


def blocks(
    count: int, height: int, images: int, rows: int, worker: int, workers: int
) -> Iterator[tuple[int, int, int, int]]:
    """Pieces (first image, last, first row, last) of `count` images of `height` rows: this worker's share.

    Workers share the images where there are enough, else the rows of each. A piece of several images is of
    whole images, so that its outputs lie together in memory.
    """
    if count >= workers:
        first, last, low, high = worker * count // workers, (worker + 1) * count // workers, 0, height
    else:
        first, last, low, high = 0, count, worker * height // workers, (worker + 1) * height // workers
    images = images if low == 0 and high == height and rows >= height else 1
    for n in range(first, last, images):
        for i in range(low, high, rows):
            yield n, min(n + images, last), i, min(i + rows, high)


def gather(
    x: Array, padded: Array, columns: Array, n: tuple[int, int], i: tuple[int, int], geometry: Any
) -> Array:
    """The inputs under output rows i[0]:i[1] of images n[0]:n[1], as a matrix (n·rows·w/t, kH·reach·C).

    `padded` (images, rows of input, padded W, C) must be zero beside the image; `columns` holds the matrix.
    """
    (kh, reach, t), (sh, sw), (dh, dw), (top, left), w = geometry
    (n0, n1), (i0, i1) = n, i
    c = x.shape[3]
    first, last = i0 * sh - top, (i1 - 1) * sh - top + (kh - 1) * dh + 1
    if padded.size:
        low, high = max(first, 0), max(min(last, x.shape[1]), max(first, 0))
        source = padded[: n1 - n0, : last - first]
        source[:, : low - first] = 0
        source[:, low - first : high - first, left : left + x.shape[2]] = x[n0:n1, low:high]
        source[:, high - first :] = 0
    else:
        source = x[n0:n1, first:last]
    size = (n1 - n0, i1 - i0, w // t, kh, reach, c)
    by_image, by_row, by_column, by_channel = source.strides
    strides = (by_image, sh * by_row, t * sw * by_column, dh * by_row, dw * by_column, by_channel)
    count = (n1 - n0) * (i1 - i0) * (w // t)
    if kh == reach == sh == sw == 1 and not padded.size:
        return source.reshape(count, c)
    matrix = columns[: count * kh * reach * c]
    np.copyto(matrix.reshape(size), as_strided(source, size, strides))
    return matrix.reshape(count, kh * reach * c)


def banded(w: Array, out: Array, stride: int, together: int) -> Array:
    """The weight (kH, kW, C, F) as (kH·reach·C, t·F): t copies, each shifted by the stride; else zeros."""
    kh, kw, c, f = w.shape
    if together == 1:
        return w.reshape(kh * kw * c, f)
    reach = (together - 1) * stride + kw
    band = out.reshape(kh, reach, c, together, f)
    band[...] = 0
    for u in range(together):
        band[:, u * stride : u * stride + kw, :, u] = w
    return band.reshape(kh * reach * c, together * f)


def conv2d(
    x: Array,
    w: Array,
    out: Array,
    *,
    stride: tuple[int, int] = (1, 1),
    pad: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0)),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    together: int = 1,
    block: tuple[int, int] = (1, 1),
    scratch: Array,
    product: Array | None = None,
    finish: Callable[[int, int], None] | None = None,
    worker: int = 0,
    workers: int = 1,
) -> None:
    """out[n, i, j, f] = Σ x[n, i·s + m·d − pad, j·s + q·d − pad, c] · w[m, q, c, f], c of f's group.

    x (N, H, W, C); w (kH, kW, C / groups, F); out (N, h, w, F). block: images and output rows of one product.
    finish(a, b): called when positions a:b of out (N·h·w in all) are there, for bias and activation.
    product (positions of a block, F): where they are instead; `finish` adds them to `out`. Then no groups.
    """
    kh, kw, c, f = w.shape
    count, h, wide, _ = out.shape
    f //= groups
    reach = (together - 1) * stride[1] + kw
    images, rows = block
    padded, columns, band = carve(
        scratch,
        (padded_shape(x.shape[2], c, kh, stride[0], pad, dilation[0], block), "f4"),
        ((images * rows * (wide // together) * kh * reach * c,), "f4"),
        ((kh * reach * c * together * f if together > 1 else 0,), "f4"),
    )
    padded[...] = 0
    geometry = (kh, reach, together), stride, dilation, (pad[0][0], pad[1][0]), wide
    weights = [banded(w[..., g * f : (g + 1) * f], band, stride[1], together) for g in range(groups)]
    for n0, n1, i0, i1 in blocks(count, h, images, rows, worker, workers):
        positions = (n1 - n0) * (i1 - i0) * wide
        for g in range(groups):
            matrix = gather(x[..., g * c : (g + 1) * c], padded, columns, (n0, n1), (i0, i1), geometry)
            y = out[n0:n1, i0:i1, :, g * f : (g + 1) * f] if product is None else product[:positions]
            multiply(matrix, weights[g], y.reshape(positions // together, together * f))
        if finish is not None:
            finish((n0 * h + i0) * wide, (n0 * h + i0) * wide + positions)


def padded_shape(
    width: int, c: int, kh: int, stride: int, pad: Any, dilation: int, block: tuple[int, int]
) -> tuple[int, ...]:
    """One block's padded input (images, rows, columns, channels); empty where there is no padding."""
    if pad == ((0, 0), (0, 0)):
        return (0, 0, 0, 0)
    rows = (block[1] - 1) * stride + (kh - 1) * dilation + 1
    return (block[0], rows, pad[1][0] + width + pad[1][1], c)
