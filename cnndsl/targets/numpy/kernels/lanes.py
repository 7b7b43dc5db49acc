"""Convolutions of images that lie side by side in lanes, for layers of few channels and large batches.

An array of lanes (B, H, W, C · lanes) holds `lanes` images in one: number c · lanes + n of a position is
channel c of image n. Under an output position the inputs of all its images are one matrix (kH · kW · C,
lanes), so the convolution is one small product a position, in which a row of the image is gathered kH times
instead of kH · kW.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from cnndsl.targets.numpy.kernels.memory import carve

Array = NDArray[Any]


def images_to_lanes(x: Array, out: Array, *, lanes: int) -> None:
    """out[b, …, c · lanes + n] = x[b · lanes + n, …, c]. x (B · lanes, …, C)."""
    c = x.shape[-1]
    space = x.size // (len(x) * c)
    many = x.reshape(len(out), lanes, space, c)
    np.copyto(out.reshape(len(out), space, c, lanes), many.transpose(0, 2, 3, 1))


def lanes_to_images(x: Array, out: Array, *, lanes: int) -> None:
    """The reverse: out[b · lanes + n, …, c] = x[b, …, c · lanes + n]."""
    c = out.shape[-1]
    space = out.size // (len(out) * c)
    many = x.reshape(len(x), space, c, lanes)
    np.copyto(out.reshape(len(x), lanes, space, c), many.transpose(0, 3, 1, 2))


def repeat_lanes(v: Array, out: Array, *, lanes: int) -> None:
    """out: each number of v, `lanes` times. v (C,); out (C · lanes,)."""
    np.copyto(out.reshape(len(v), lanes), v[:, None])


def lane_conv2d(
    x: Array,
    w: Array,
    out: Array,
    *,
    lanes: int,
    stride: tuple[int, int] = (1, 1),
    pad: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0)),
    rows: int = 1,
    scratch: Array,
    finish: Callable[[int, int], None] | None = None,
) -> None:
    """conv2d of arrays of lanes: x (B, H, W, C · lanes), w (kH, kW, C, F), out (B, h, w, F · lanes).

    finish(a, b): called when positions a:b of out (B · h · w in all) are there, `rows` image rows at a time.
    """
    kh, kw, c, f = w.shape
    blocks, h, wide, _ = out.shape
    (weight,) = carve(scratch, ((f, kw * kh * c), "f4"))
    np.copyto(weight.reshape(f, kw, kh, c), w.transpose(3, 1, 0, 2))
    free = scratch[-(-weight.nbytes // 64) * 64 :]
    for b in range(blocks):
        source, target = x[b].reshape(*x.shape[1:3], c, lanes), out[b].reshape(h, wide, f, lanes)
        for i in range(0, h, rows):
            top = pad[0][0] - i * stride[0]
            lane_rows(source, weight, target[i : i + rows], (kh, kw), stride, (top, pad[1][0]), free)
            if finish is not None:
                finish((b * h + i) * wide, (b * h + min(i + rows, h)) * wide)


def lane_rows(
    x: Array,
    weight: Array,
    out: Array,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int],
    scratch: Array,
) -> None:
    """Some rows of one image of lanes: x (H, W, C, lanes); weight (F, kW · kH · C); out (rows, w, F, lanes),
    with any gaps between positions. pad: what lies before the first row and column; negative: they begin
    inside.
    """
    (kh, kw), (sh, sw), (top, left) = kernel, stride, pad
    height, width, c, lanes = x.shape
    count, wide, _, _ = out.shape
    if kh == kw == sw == 1 and left == 0 and wide == width:
        for i in range(count):
            r = i * sh - top
            if 0 <= r < height:
                np.matmul(weight, x[r], out=out[i])
            else:
                out[i] = 0
        return
    span = (wide - 1) * sw + kw
    (rows,) = carve(scratch, ((span, kh, c, lanes), "f4"))
    step, _, by_channel, by_lane = rows.strides
    windows = as_strided(rows, (wide, kw * kh * c, lanes), (sw * step, by_channel, by_lane))
    low, high = min(max(left, 0), span), min(max(left + width, 0), span)
    rows[:low] = 0
    rows[high:] = 0
    for i in range(count):
        for m in range(kh):
            r = i * sh + m - top
            if 0 <= r < height:
                rows[low:high, m] = x[r, low - left : high - left]
            else:
                rows[low:high, m] = 0
        np.matmul(weight, windows, out=out[i])


def lane_conv2d_input_grad(
    gy: Array,
    w: Array,
    out: Array,
    *,
    lanes: int,
    stride: tuple[int, int] = (1, 1),
    pad: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0)),
    scratch: Array,
) -> None:
    """conv2d_input_grad of lanes: gy (B, h, w, F · lanes), w (kH, kW, C, F), out (B, H, W, C · lanes).

    Outputs whose distance is a multiple of the stride see the same places of the kernel: each such part of
    the result is a convolution of gy with those places, turned round.
    """
    c, f = w.shape[2:]
    height, width = out.shape[1:3]
    for y in range(min(stride[0], height)):
        p, above = (y + pad[0][0]) % stride[0], (y + pad[0][0]) // stride[0]
        for x in range(min(stride[1], width)):
            q, before = (x + pad[1][0]) % stride[1], (x + pad[1][0]) // stride[1]
            part = w[p :: stride[0], q :: stride[1]][::-1, ::-1]
            m, n = part.shape[:2]
            if not m or not n:
                out[:, y :: stride[0], x :: stride[1]] = 0
                continue
            (weight,) = carve(scratch, ((c, n * m * f), "f4"))
            np.copyto(weight.reshape(c, n, m, f), part.transpose(2, 1, 0, 3))
            free = scratch[-(-weight.nbytes // 64) * 64 :]
            for b in range(len(out)):
                source = gy[b].reshape(*gy.shape[1:3], f, lanes)
                target = out[b].reshape(height, width, c, lanes)[y :: stride[0], x :: stride[1]]
                lane_rows(source, weight, target, (m, n), (1, 1), (m - 1 - above, n - 1 - before), free)


def lane_conv2d_weight_grad(
    x: Array,
    gy: Array,
    out: Array,
    *,
    lanes: int,
    stride: tuple[int, int] = (1, 1),
    pad: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0)),
    turned: bool = False,
    scratch: Array,
) -> None:
    """conv2d_weight_grad of lanes: x (B, H, W, C · lanes), gy (B, h, w, F · lanes), out (kH, kW, C, F).

    One product a position, (kW · kH · C, lanes) · (lanes, F), summed over the row. turned: the filters of gy
    are laid side by side first, because BLAS is slow where both factors lie along the lanes.
    """
    kh, kw, c, f = out.shape
    (sh, sw), (top, left) = stride, (pad[0][0], pad[1][0])
    height, width = x.shape[1:3]
    count, h, wide, _ = gy.shape
    span = (wide - 1) * sw + kw
    rows, upper, parts, total, part = carve(
        scratch,
        ((span, kh, c, lanes), "f4"),
        ((wide if turned else 0, lanes, f), "f4"),
        ((wide, kw * kh * c, f), "f4"),
        ((kw * kh * c, f), "f4"),
        ((kw * kh * c, f), "f4"),
    )
    step, _, by_channel, by_lane = rows.strides
    windows = as_strided(rows, (wide, kw * kh * c, lanes), (sw * step, by_channel, by_lane))
    total[...] = 0
    rows[...] = 0
    low, high = min(left, span), min(left + width, span)
    for b in range(count):
        source, above = x[b].reshape(height, width, c, lanes), gy[b].reshape(h, wide, f, lanes).swapaxes(2, 3)
        for i in range(h):
            for m in range(kh):
                r = i * sh + m - top
                if 0 <= r < height:
                    rows[low:high, m] = source[r, low - left : high - left]
                else:
                    rows[low:high, m] = 0
            if turned:
                np.copyto(upper, above[i])
            np.matmul(windows, upper if turned else above[i], out=parts)
            np.add.reduce(parts, axis=0, out=part)
            total += part
    np.copyto(out, total.reshape(kw, kh, c, f).swapaxes(0, 1))
