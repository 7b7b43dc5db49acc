"""Sums over neighbouring channels, and the normalisation made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.targets.numpy.kernels.memory import carve

Array = NDArray[Any]


def add_neighbours(spare: tuple[Array, Array], total: Array, size: int) -> None:
    """total[i] = spare[0][i] + … + spare[0][i + size − 1] in log₂ size additions. Overwrites both spares.

    spare: two lines of at least len(total) + size − 1 numbers. One holds the sums of 1, 2, 4, … neighbours,
    the other is for the next: a line is not added to itself, which would take a copy.
    """
    line, other = spare
    at, width = 0, 1
    while True:
        if size & width:
            part = line[at : at + len(total)]
            np.copyto(total, part) if at == 0 else np.add(total, part, out=total)
            at += width
        if 2 * width > size:
            return
        count = len(total) + size - 2 * width
        np.add(line[:count], line[width : width + count], out=other[:count])
        line, other, width = other, line, 2 * width


def neighbour_sums(
    x: Array, before: int, after: int, rows: int, scratch: Array, share: tuple[int, int], square: bool
) -> Any:
    """(first row, last row, sums (rows, C) over channels −before … after around each), by tiles of x (P, C).

    Rows lie one behind the other with zeros between them, so that one addition does all of a tile.
    share: worker, workers.
    """
    c, size = x.shape[1], before + after + 1
    wide = c + size - 1
    line, other, total = carve(scratch, *[((rows * wide + size - 1,), "f4")] * 2, ((rows, wide), "f4"))
    first, last = (len(x) * (share[0] + n) // share[1] for n in (0, 1))
    for i in range(first, last, rows):
        j = min(i + rows, last)
        block = line[: (j - i) * wide].reshape(j - i, wide)
        block[:, :before] = 0
        block[:, before + c :] = 0
        line[(j - i) * wide : (j - i) * wide + size - 1] = 0
        values = block[:, before : before + c]
        np.multiply(x[i:j], x[i:j], out=values) if square else np.copyto(values, x[i:j])
        add_neighbours((line, other), total[: j - i].reshape(-1), size)
        yield i, j, total[: j - i]


def window_sum(
    x: Array,
    out: Array,
    *,
    before: int,
    after: int,
    rows: int,
    scratch: Array,
    worker: int = 0,
    workers: int = 1,
) -> None:
    """out[…, c] = the sum of x over channels c − before … c + after. x, out (…, C); rows: of one tile."""
    c = x.shape[-1]
    flat = out.reshape(-1, c)
    for i, j, total in neighbour_sums(
        x.reshape(-1, c), before, after, rows, scratch, (worker, workers), False
    ):
        np.copyto(flat[i:j], total[:, :c])


def lrn(
    x: Array,
    out: Array,
    *,
    size: int,
    alpha: float,
    beta: float,
    k: float,
    rows: int,
    scratch: Array,
    worker: int = 0,
    workers: int = 1,
) -> None:
    """out[…, c] = x[…, c] / (k + alpha · Σ x²)^beta, the sum over `size` channels around c. x, out (…, C).

    The power 3/4 by square roots, which take an eighth of its time.
    """
    c, reach = x.shape[-1], size // 2
    flat, y = x.reshape(-1, c), out.reshape(-1, c)
    for i, j, total in neighbour_sums(flat, reach, reach, rows, scratch, (worker, workers), True):
        np.multiply(total, alpha, out=total)
        np.add(total, k, out=total)
        if beta == 0.75:
            np.sqrt(total, out=total)
            np.divide(flat[i:j], total[:, :c], out=y[i:j])
            np.sqrt(total, out=total)
            np.divide(y[i:j], total[:, :c], out=y[i:j])
        else:
            np.power(total, beta, out=total)
            np.divide(flat[i:j], total[:, :c], out=y[i:j])
