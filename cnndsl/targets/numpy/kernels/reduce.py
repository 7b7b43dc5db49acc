"""Sums, and the mean and variance of batch normalization.

Tiles are summed in float32, their sums in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.targets.numpy.kernels.memory import carve

Array = NDArray[Any]


def sum_rows(
    x: Array, out: Array, *, wide: int = 1, rows: int = 1, make: Callable[[int, int], Array] | None = None
) -> None:
    """out[c] = Σ x[…, c] over all other axes. x (…, C); out (C,).

    wide: positions side by side in one row of a tile; rows: of a tile. make(i, j): gives positions i:j of
    what is to be summed instead of x, which then only lends its shape.
    """
    c = x.shape[-1]
    positions = x.size // c
    total = np.zeros(wide * c, "f8")
    step = rows * wide
    for i in range(0, positions, step):
        j = min(i + step, positions)
        tile = make(i, j) if make is not None else x.reshape(-1, c)[i:j]
        total += np.add.reduce(tile.reshape(-1, wide * c), axis=0)
    np.copyto(out, total.reshape(wide, c).sum(axis=0).reshape(out.shape), casting="unsafe")


def sum_axes(x: Array, out: Array, *, axes: tuple[int, ...]) -> None:
    """out = Σ x over `axes`, any of them."""
    np.add.reduce(x, axis=axes, out=out)


def moments_of_share(x: Array, mean: Array, spread: Array, *, wide: int, rows: int, scratch: Array) -> int:
    """Mean and Σ(x − mean)² of this worker's images, per channel, in float64; their number of positions.

    One pass over memory: each tile is shifted by the mean of the first, then summed, and its squares.
    """
    c = x.shape[-1]
    flat = x.reshape(-1, wide * c)
    if not len(flat):
        return 0
    (tile,) = carve(scratch, ((rows, wide * c), "f4"))
    shift = np.add.reduce(flat[:rows], axis=0).reshape(wide, c).sum(axis=0) / (len(flat[:rows]) * wide)
    row = np.tile(shift, wide)
    first, second = np.zeros(wide * c, "f8"), np.zeros(wide * c, "f8")
    for i in range(0, len(flat), rows):
        block = flat[i : i + rows]
        part = tile[: len(block)]
        np.subtract(block, row, out=part)
        first += np.add.reduce(part, axis=0)
        np.multiply(part, part, out=part)
        second += np.add.reduce(part, axis=0)
    count = len(flat) * wide
    shifted = first.reshape(wide, c).sum(axis=0) / count
    mean[...] = shift + shifted
    spread[...] = second.reshape(wide, c).sum(axis=0) - count * shifted * shifted
    return count


def join_moments(counts: list[int], means: Array, spreads: Array, mean: Array, variance: Array) -> None:
    """Mean and biased variance of all from those of the shares, in their order (Chan et al., 1979)."""
    total = sum(counts)
    middle = sum(n * m for n, m in zip(counts, means, strict=True)) / total
    around = sum(s + n * (m - middle) ** 2 for n, m, s in zip(counts, means, spreads, strict=True))
    np.copyto(mean, middle, casting="unsafe")
    np.copyto(variance, around / total, casting="unsafe")


def moments(
    x: Array, mean: Array, variance: Array, *, wide: int, rows: int, scratch: Array, crew: Any
) -> None:
    """mean[c], variance[c] (biased) of x[…, c] over all other axes.

    scratch: bytes of each worker; crew: the workers.

    wide: positions side by side in one row of a tile; rows: of a tile.
    """
    workers, c = len(scratch), x.shape[-1]
    counts, means, spreads = [0] * workers, np.zeros((workers, c)), np.zeros((workers, c))

    def share(worker: int) -> None:
        part = x[worker * len(x) // workers : (worker + 1) * len(x) // workers]
        keys = {"wide": wide, "rows": rows, "scratch": scratch[worker]}
        counts[worker] = moments_of_share(part, means[worker], spreads[worker], **keys)

    crew.run(share, workers)
    join_moments(counts, means, spreads, mean, variance)
