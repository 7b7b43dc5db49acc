"""Scalar functions that NumPy lacks, or does slowly: choosing by a condition, the error function."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
CHAIN = 131072  # numbers in one tile of a chain: small ones are many, and threads wait for the interpreter


def rows_of(x: Array, wide: int) -> Array:
    """x (…, C) as a matrix with `wide` positions side by side in a row: a view of x, which has no gaps.

    A kernel that calls `finish` does so for whole rows: its blocks are of multiples of `wide` positions.
    """
    return x.reshape(-1, wide * x.shape[-1])


def row_of(x: Array, wide: int) -> Array:
    """One number a channel, `wide` times side by side."""
    row = x.reshape(-1)
    return row if wide == 1 else np.concatenate((row,) * wide)


def filled(count: int, value: float) -> Array:
    """A row of one number: comparing with it is faster than with the number."""
    row = np.empty(count, np.float32)
    row.fill(value)
    return row


def tile_shape(rows: Array) -> tuple[int, int]:
    """Of the largest tile of a matrix."""
    return min(len(rows), max(1, CHAIN // rows.shape[1])), rows.shape[1]


def tiles(rows: Array, low: int = 0, high: int | None = None) -> list[slice]:
    """Rows low:high of a matrix, all by default, a cache-sized tile at a time."""
    step, high = max(1, CHAIN // rows.shape[1]), len(rows) if high is None else high
    return [slice(i, min(i + step, high)) for i in range(low, high, step)]


def keep(condition: Array, x: Array, out: Array, mask: Array) -> None:
    """out = x where the condition holds, else 0. float32; mask: int32 like out.

    On the bits, so that NaN and infinity outside the condition give 0: a quarter of the time of np.where.
    """
    np.negative(condition.view("i1"), out=mask)
    np.bitwise_and(x.view("i4"), mask, out=out.view("i4"))


def select(condition: Array, x: Any, y: Any, out: Array, mask: Array) -> None:
    """out = x where the condition holds, else y. float32; x, y: arrays or numbers; mask: int32 like out."""
    np.negative(condition.view("i1"), out=mask)
    first, second, bits = np.asarray(x, "f4").view("i4"), np.asarray(y, "f4").view("i4"), out.view("i4")
    if np.may_share_memory(second, bits):  # `out` is `y`: keep y's share first, while it is there
        first, second = second, first
        np.invert(mask, out=mask)
    np.bitwise_and(first, mask, out=bits)
    np.invert(mask, out=mask)
    np.bitwise_and(second, mask, out=mask)
    np.bitwise_or(bits, mask, out=bits)


def erf(x: Array, out: Array | None = None, t: Array | None = None, p: Array | None = None) -> Array:
    """The error function, to 4e-7: erfc by a Chebyshev fit (Press et al., Numerical Recipes, 6.2).

    out may be x. t, p: scratch of x's shape and type.
    """
    terms = (
        1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807,
        -1.13520398, 1.48851587, -0.82215223, 0.17087277,
    )  # fmt: skip
    x = np.asarray(x)
    t, p, out = (np.empty_like(x) if y is None else y for y in (t, p, out))
    np.divide(1.0, half_and_one(x, t), out=t)
    np.multiply(t, terms[-1], out=p)
    for c in reversed(terms[:-1]):
        np.add(p, c, out=p)
        np.multiply(p, t, out=p)
    np.subtract(p, 1.26551223, out=p)
    np.subtract(p, np.multiply(x, x, out=t), out=p)
    np.exp(p, out=p)
    np.divide(p, half_and_one(x, t), out=p)  # erfc(|x|)
    return np.copysign(np.subtract(1.0, p, out=p), x, out=out)


def half_and_one(x: Array, out: Array) -> Array:
    """out = 1 + ½ |x|."""
    np.abs(x, out=out)
    np.multiply(out, 0.5, out=out)
    return np.add(out, 1.0, out=out)
