"""The gradients of convolution as matrix products over cache-sized blocks, with the letters of `conv`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from cnndsl.targets.numpy.kernels.conv import banded, blocks, conv2d, gather, padded_shape
from cnndsl.targets.numpy.kernels.memory import carve

Array = NDArray[Any]
AT_ONCE = 16000  # numbers: where NumPy takes windows for overlapping, it copies what it adds to, 64 KB then


def conv2d_weight_grad(
    x: Array,
    gy: Array,
    out: Array,
    *,
    stride: tuple[int, int] = (1, 1),
    pad: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0)),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    together: int = 1,
    block: tuple[int, int] = (1, 1),
    scratch: Array,
) -> None:
    """out[m, q, c, f] = Σ x[n, i·s + m·d − pad, j·s + q·d − pad, c] · gy[n, i, j, f] over n, i, j.

    x (N, H, W, C); gy (N, h, w, F); out (kH, kW, C / groups, F). Block by block, gathered inputs^T · gy.
    """
    kh, kw, c, f = out.shape
    count, h, wide, _ = gy.shape
    f //= groups
    reach = (together - 1) * stride[1] + kw
    images, rows = block
    if not count:
        out[...] = 0
        return
    padded, columns, total, part = carve(
        scratch,
        (padded_shape(x.shape[2], c, kh, stride[0], pad, dilation[0], block), "f4"),
        ((images * rows * (wide // together) * kh * reach * c,), "f4"),
        ((groups, kh * reach * c, together * f), "f4"),
        ((kh * reach * c, together * f), "f4"),
    )
    padded[...] = 0
    geometry = (kh, reach, together), stride, dilation, (pad[0][0], pad[1][0]), wide
    for number, (n0, n1, i0, i1) in enumerate(blocks(count, h, images, rows, 0, 1)):
        positions = (n1 - n0) * (i1 - i0) * wide
        for g in range(groups):
            matrix = gather(x[..., g * c : (g + 1) * c], padded, columns, (n0, n1), (i0, i1), geometry)
            upper = gy[n0:n1, i0:i1, :, g * f : (g + 1) * f].reshape(positions // together, together * f)
            np.matmul(matrix.T, upper, out=part if number else total[g])
            if number:
                total[g] += part
    for g in range(groups):
        band = total[g].reshape(kh, reach, c, together, f)
        part_of_out = out[..., g * f : (g + 1) * f]
        np.copyto(part_of_out, band[:, :kw, :, 0])
        for u in range(1, together):
            part_of_out += band[:, u * stride[1] : u * stride[1] + kw, :, u]


def conv2d_input_grad(
    gy: Array,
    w: Array,
    out: Array,
    *,
    stride: tuple[int, int] = (1, 1),
    pad: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0)),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    together: int = 1,
    images: int = 1,
    scratch: Array,
) -> None:
    """out[n, y, x, c] = Σ gy[n, i, j, f] · w[m, q, c, f] over all f and all (i, m), (j, q) that reach (y, x).

    gy (N, h, w, F); w (kH, kW, C / groups, F); out (N, H, W, C). gy · w^T gives each window's share of the
    gradient; the shares are added where they belong, windows that do not overlap at once.
    images: in one product.
    """
    kh, kw, c, f = w.shape
    count, h, wide, _ = gy.shape
    f //= groups
    (top, bottom), (left, right) = pad
    (sh, sw), (dh, dw) = stride, dilation
    reach, step = (together - 1) * sw + kw, together * sw
    height, width = out.shape[1], out.shape[2]
    padded, columns, band = carve(
        scratch,
        ((images, top + height + bottom, left + width + right, c), "f4"),
        ((images * h * (wide // together) * kh * reach * c,), "f4"),
        ((kh * reach * c * together * f if together > 1 else 0,), "f4"),
    )
    piece = 1 if dw > 1 else reach if wide == together else step  # columns of windows that do not overlap
    some = max(1, AT_ONCE // (h * (wide // together) * min(piece, reach) * c))
    for g in range(groups):
        weight = banded(w[..., g * f : (g + 1) * f], band, sw, together)
        for n0 in range(0, count, images):
            n1 = min(n0 + images, count)
            rows = (n1 - n0) * h * (wide // together)
            shares = columns[: rows * weight.shape[0]].reshape(rows, weight.shape[0])
            np.matmul(
                gy[n0:n1, ..., g * f : (g + 1) * f].reshape(rows, weight.shape[1]), weight.T, out=shares
            )
            windows = shares.reshape(n1 - n0, h, wide // together, kh, reach, c)
            whole = padded[: n1 - n0]
            whole[...] = 0
            by_image, by_row, by_column, by_channel = whole.strides
            strides = (by_image, sh * by_row, step * by_column, by_column, by_channel)
            for m in range(kh):
                for q in range(0, reach, piece):
                    size = (n1 - n0, h, wide // together, min(piece, reach - q), c)
                    target = as_strided(whole[:, m * dh :, q * dw :], size, strides)
                    for a in range(0, n1 - n0, some):
                        share = windows[a : a + some, :, :, m, q : q + piece]
                        np.add(target[a : a + some], share, out=target[a : a + some])
            out[n0:n1, ..., g * c : (g + 1) * c] = whole[:, top : top + height, left : left + width]


def conv2d_input_grad_turned(
    gy: Array,
    w: Array,
    out: Array,
    *,
    pad: tuple[tuple[int, int], tuple[int, int]],
    dilation: tuple[int, int] = (1, 1),
    together: int = 1,
    block: tuple[int, int] = (1, 1),
    scratch: Array,
) -> None:
    """The same for stride 1: gy convolved with the kernel turned round; pad: of this convolution."""
    kh, kw, c, f = w.shape
    (turned,) = carve(scratch, ((kh, kw, f, c), "f4"))
    np.copyto(turned, w[::-1, ::-1].swapaxes(2, 3))
    used = -(-turned.nbytes // 64) * 64
    conv2d(
        gy, turned, out, pad=pad, dilation=dilation, together=together, block=block, scratch=scratch[used:]
    )


def conv2d_weight_grad_rows(
    x: Array,
    gy: Array,
    out: Array,
    *,
    stride: int = 1,
    pad: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0)),
    dilation: tuple[int, int] = (1, 1),
    together: int = 1,
    block: tuple[int, int] = (1, 1),
    scratch: Array,
) -> None:
    """The same where rows have stride 1: each row of x is gathered once, for all rows of the kernel.

    Output row i meets input rows i + m · dilation: of a matrix of gathered rows that is a part without gaps,
    which begins a row later for each m. So kH products share one matrix. stride: of the columns.
    """
    kh, kw, c, f = out.shape
    count, h, wide, _ = gy.shape
    reach, w = (together - 1) * stride + kw, wide // together
    images, rows = block
    deep = (kh - 1) * dilation[0]
    padded, columns, parts, total, part = carve(
        scratch,
        (padded_shape(x.shape[2], c, 1, 1, pad, 1, (images, rows + deep)), "f4"),
        ((images * (rows + deep) * w * reach * c,), "f4"),
        ((images, kh, reach * c, together * f), "f4"),
        ((kh, reach * c, together * f), "f4"),
        ((kh, reach * c, together * f), "f4"),
    )
    padded[...] = 0
    total[...] = 0
    geometry = (1, reach, together), (1, stride), (1, dilation[1]), (pad[0][0], pad[1][0]), wide
    for n0, n1, i0, i1 in blocks(count, h, images, rows, 0, 1):
        n, positions = n1 - n0, (i1 - i0) * w
        matrix = gather(x, padded, columns, (n0, n1), (i0, i1 + deep), geometry)
        by_row = matrix.strides[0]
        strides = ((i1 - i0 + deep) * w * by_row, dilation[0] * w * by_row, 4, by_row)
        taps = as_strided(matrix, (n, kh, reach * c, positions), strides)
        upper = gy[n0:n1, i0:i1].reshape(n, 1, positions, together * f)
        np.matmul(taps, upper, out=parts[:n])
        if n > 1:
            np.add.reduce(parts[:n], axis=0, out=part)
        total += part if n > 1 else parts[0]
    band = total.reshape(kh, reach, c, together, f)
    np.copyto(out, band[:, :kw, :, 0])
    for u in range(1, together):
        out += band[:, u * stride : u * stride + kw, :, u]
