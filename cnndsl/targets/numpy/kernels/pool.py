"""Pooling and its gradients, an axis after the other: along H whole rows are compared or added at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.targets.numpy.kernels.conv import blocks
from cnndsl.targets.numpy.kernels.memory import carve
from cnndsl.targets.numpy.kernels.pointwise import keep

Array = NDArray[Any]


def taps(
    size: int, count: int, kernel: int, stride: int, pad: int, dilation: int = 1
) -> list[tuple[slice, slice]]:
    """For each place in the window: the outputs for which it lies in the input, and those inputs."""
    found = []
    for m in range(kernel):
        shift = m * dilation - pad
        low = max(0, -(shift // stride))
        high = min(count, (size - 1 - shift) // stride + 1)
        high = max(high, low)
        start = low * stride + shift
        found.append(
            (slice(low, high), slice(start, start + max(high - low - 1, 0) * stride + (high > low), stride))
        )
    return found


def slide(
    combine: Any, empty: float, x: Array, out: Array, window: tuple[int, int, int, int], axis: int
) -> None:
    """out[.., i, ..] = combine over m of x[.., i·stride + m·dilation − pad, ..], `empty` outside.

    window: kernel, stride, pad, dilation; along `axis`. The two places of the window that lie inside for the
    most outputs are combined first, from one to another array: a copy and one combination would take a third
    longer.
    """
    lead, stride, count = (slice(None),) * axis, window[1], out.shape[axis]
    places = [
        (to.start, to.stop, source.start - to.start * stride)
        for to, source in taps(x.shape[axis], count, *window)
    ]
    places.sort(key=lambda place: place[0] - place[1])

    def under(low: int, high: int, shift: int) -> Array:
        return x[(*lead, slice(low * stride + shift, (high - 1) * stride + shift + 1, stride))]

    low, high = max(p[0] for p in places[:2]), min(p[1] for p in places[:2])
    if high <= low:
        low = high = count
    elif len(places) == 1:
        np.copyto(out[(*lead, slice(low, high))], under(*places[0]))
    else:
        combine(
            under(low, high, places[0][2]), under(low, high, places[1][2]), out=out[(*lead, slice(low, high))]
        )
    for border in (slice(0, low), slice(high, count)):
        if border.start < border.stop:
            out[(*lead, border)] = empty
    for n, (begin, end, shift) in enumerate(places):
        for a, b in ((begin, min(end, low)), (max(begin, high), end)) if n < 2 else ((begin, end),):
            if a < b:
                target = out[(*lead, slice(a, b))]
                combine(target, under(a, b, shift), out=target)


def max_pool2d(
    x: Array,
    out: Array,
    *,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
    images: int = 1,
    scratch: Array,
    worker: int = 0,
    workers: int = 1,
) -> None:
    """out[n, i, j, c] = max over the window at (i, j) of x[n, …, c]; outside the image −∞. NaN wins.

    x (N, H, W, C); out (N, h, w, C); pad: before the first row and column. images: in one block.
    """
    h = out.shape[1]
    (half,) = carve(scratch, ((images, h, x.shape[2], x.shape[3]), "f4"))
    for n0, n1, i0, i1 in blocks(len(out), h, images, h, worker, workers):
        rows, y = half[: n1 - n0, : i1 - i0], out[n0:n1, i0:i1]
        above = pad[0] - i0 * stride[0]
        slide(np.maximum, -np.inf, x[n0:n1], rows, (kernel[0], stride[0], above, dilation[0]), 1)
        slide(np.maximum, -np.inf, rows, y, (kernel[1], stride[1], pad[1], dilation[1]), 2)


def avg_pool2d(
    x: Array,
    out: Array,
    *,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int] = (0, 0),
    weights: tuple[tuple[float, ...], tuple[float, ...]],
    images: int = 1,
    scratch: Array,
    worker: int = 0,
    workers: int = 1,
) -> None:
    """out[n, i, j, c] = the mean over the window at (i, j) of x[n, …, c].

    x (N, H, W, C); out (N, h, w, C). weights: 1 / (places counted) of each output row and column.
    """
    h, w = out.shape[1:3]
    half, each = carve(scratch, ((images, h, x.shape[2], x.shape[3]), "f4"), ((h, w, 1), "f4"))
    factor = outer(weights, each)
    for n0, n1, i0, i1 in blocks(len(out), h, images, h, worker, workers):
        rows, y = half[: n1 - n0, : i1 - i0], out[n0:n1, i0:i1]
        slide(np.add, 0.0, x[n0:n1], rows, (kernel[0], stride[0], pad[0] - i0 * stride[0], 1), 1)
        slide(np.add, 0.0, rows, y, (kernel[1], stride[1], pad[1], 1), 2)
        y *= factor if np.isscalar(factor) else factor[i0:i1]


def outer(weights: tuple[tuple[float, ...], tuple[float, ...]], out: Array) -> Any:
    """out[i, j] = the weight of row i times that of column j; a number where all are equal. out (h, w, 1)."""
    by_row, by_column = (np.array(w, "f4") for w in weights)
    if by_row.min() == by_row.max() and by_column.min() == by_column.max():
        return by_row[0] * by_column[0]
    return np.multiply(by_row[:, None, None], by_column[:, None], out=out)


def avg_pool2d_grad(
    gy: Array,
    out: Array,
    *,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int] = (0, 0),
    weights: tuple[tuple[float, ...], tuple[float, ...]],
    images: int = 1,
    scratch: Array,
) -> None:
    """out: each window's gradient shared out evenly over its places. gy (N, h, w, C); out (N, H, W, C)."""
    h, w, c = gy.shape[1:]
    scaled, half, each = carve(
        scratch, ((images, h, w, c), "f4"), ((images, h, out.shape[2], c), "f4"), ((h, w, 1), "f4")
    )
    factor = outer(weights, each)
    for n in range(0, len(gy), images):
        k = len(gy[n : n + images])
        np.multiply(gy[n : n + images], factor, out=scaled[:k])
        spread(scaled[:k], half[:k], kernel[1], stride[1], pad[1], 2)
        spread(half[:k], out[n : n + images], kernel[0], stride[0], pad[0], 1)


def spread(g: Array, out: Array, kernel: int, stride: int, pad: int, axis: int) -> None:
    """The reverse of `slide` with add: out[.., i·stride + m − pad, ..] += g[.., i, ..] for every m."""
    lead = (slice(None),) * axis
    apart = kernel <= stride
    if not apart or kernel < stride or g.shape[axis] * stride != out.shape[axis] or pad:
        out[...] = 0
    for source, to in taps(out.shape[axis], g.shape[axis], kernel, stride, pad):
        target = out[(*lead, to)]
        if apart:
            np.copyto(target, g[(*lead, source)])
        else:
            target += g[(*lead, source)]


def max_pool2d_grad(
    x: Array,
    y: Array,
    gy: Array,
    out: Array,
    *,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
    scratch: Array,
) -> None:
    """out: each window's gradient goes to its first maximum, row by row.

    x, out (N, H, W, C); y, gy (N, h, w, C).
    """
    h, w, c = gy.shape[1:]
    equal, lost, waiting, share, mask = carve(
        scratch, *(((h, w, c), kind) for kind in ("?", "?", "?", "f4", "i4"))
    )
    rows = taps(x.shape[1], h, kernel[0], stride[0], pad[0], dilation[0])
    columns = taps(x.shape[2], w, kernel[1], stride[1], pad[1], dilation[1])
    for n in range(len(x)):
        waiting[...] = True
        out[n] = 0
        for to_row, row in rows:
            for to_column, column in columns:
                at = to_row, to_column
                here, part = equal[at], x[n][row, column]
                np.equal(part, y[n][at], out=here)
                np.not_equal(part, part, out=lost[at])
                np.logical_or(here, lost[at], out=here)
                np.logical_and(here, waiting[at], out=here)
                np.logical_xor(waiting[at], here, out=waiting[at])
                keep(here, gy[n][at], share[at], mask[at])
                out[n][row, column] += share[at]


def global_pool(combine: Any, x: Array, out: Array, *, scale: float = 1.0) -> None:
    """out[n, c] = combine (np.add, np.maximum) of x[n, …, c] over space, times scale. x (N, *space, C)."""
    flat, y = x.reshape(len(x), -1, x.shape[-1]), out.reshape(len(x), x.shape[-1])
    combine.reduce(flat, axis=1, out=y)
    if scale != 1.0:
        y *= scale
