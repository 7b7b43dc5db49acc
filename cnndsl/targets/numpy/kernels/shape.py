"""What only moves numbers: copies, concatenation, padding."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def concat(parts: tuple[Array, ...], out: Array) -> None:
    """out = the parts side by side along the channels; a larger part is cropped about its centre."""
    at = 0
    for x in parts:
        cut = [
            slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(x.shape[1:-1], out.shape[1:-1], strict=True)
        ]
        np.copyto(out[..., at : at + x.shape[-1]], x[(slice(None), *cut)])
        at += x.shape[-1]


def take_part(x: Array, out: Array, *, start: int) -> None:
    """out = channels start: … of x, zeros around where out is larger in space."""
    cut = [slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(out.shape[1:-1], x.shape[1:-1], strict=True)]
    if out.shape[:-1] != x.shape[:-1]:
        out[...] = 0
    np.copyto(out[(slice(None), *cut)], x[..., start : start + out.shape[-1]])


def pad_zero(x: Array, out: Array, *, begin: tuple[int, ...]) -> None:
    """out = x with zeros around it; begin: how many before each axis but the first."""
    out[...] = 0
    np.copyto(out[(slice(None), *(slice(b, b + n) for b, n in zip(begin, x.shape[1:], strict=True)))], x)


def pad_around(x: Array, out: Array, *, begin: tuple[int, ...], mode: str) -> None:
    """out = x, continued along each axis of space by reflection or by its edge; begin: places before each.

    The last axis first, from x; then whole rows of out, one after the other: of several, NumPy would copy
    what it reads first, because their bounds overlap.
    """
    middle = tuple(slice(b, b + n) for b, n in zip(begin, x.shape[1:-1], strict=True))
    np.copyto(out[(slice(None), *middle)], x)
    for axis in range(len(begin), 0, -1):
        b, n = begin[axis - 1], x.shape[axis]
        places = [(at, mirrored(at - b, n, mode)) for at in (*range(b), *range(b + n, out.shape[axis]))]
        if axis == len(begin):
            for at, source in places:
                np.copyto(out[(slice(None), *middle[:-1], at)], x[..., source, :])
            continue
        for lead in np.ndindex(len(x), *x.shape[1:axis]):
            rows = out[(lead[0], *(b + i for b, i in zip(begin, lead[1:], strict=False)))]
            for at, source in places:
                np.copyto(rows[at], rows[b + source])


def pad_around_grad(g: Array, out: Array, *, begin: tuple[int, ...], mode: str) -> None:
    """out = for each number the sum over all places of g where `pad_around` puts it."""
    pairs: list[Any] = []
    for axis, (b, n) in enumerate(zip(begin, out.shape[1:-1], strict=True), 1):
        ends = [(at, mirrored(at - b, n, mode)) for at in (*range(b), *range(b + n, g.shape[axis]))]
        pairs.append([(slice(b, b + n), slice(None)), *ends])
    for k, places in enumerate(itertools.product(*pairs)):
        seen, place = (
            g[(slice(None), *(at for at, _ in places))],
            out[(slice(None), *(to for _, to in places))],
        )
        if k:
            place += seen
        else:
            np.copyto(place, seen)


def mirrored(at: int, n: int, mode: str) -> int:
    """The place from 0 to n - 1 that is seen at `at`."""
    if mode == "edge":
        return min(max(at, 0), n - 1)
    return -at if at < 0 else 2 * (n - 1) - at if at >= n else at


def crop(x: Array, out: Array, *, begin: tuple[int, ...]) -> None:
    """out = the part of x that begins at `begin` on each axis but the first."""
    np.copyto(out, x[(slice(None), *(slice(b, b + n) for b, n in zip(begin, out.shape[1:], strict=True)))])


def repeat_blocks(x: Array, out: Array, *, factor: tuple[int, ...], scale: float = 1.0) -> None:
    """out = each number of x, times scale, over a block of `factor` places."""
    blocks = out.reshape(
        out.shape[0], *(p for n, f in zip(x.shape[1:-1], factor, strict=True) for p in (n, f)), out.shape[-1]
    )
    wide = x.reshape(x.shape[0], *(p for n in x.shape[1:-1] for p in (n, 1)), x.shape[-1])
    if scale == 1.0:
        np.copyto(blocks, wide)
    else:
        np.multiply(wide, blocks.dtype.type(scale), out=blocks)


def sum_blocks(x: Array, out: Array, *, factor: tuple[int, ...], scale: float = 1.0) -> None:
    """out = scale times the sum over each block of `factor` places of x."""
    blocks = x.reshape(
        x.shape[0], *(p for n, f in zip(out.shape[1:-1], factor, strict=True) for p in (n, f)), x.shape[-1]
    )
    np.sum(blocks, axis=tuple(range(2, 2 * len(factor) + 1, 2)), out=out)
    if scale != 1.0:
        out *= out.dtype.type(scale)


def copy_results(found: tuple[Any, ...], *outs: Array) -> None:
    """What a reference returned, into the arrays where it belongs."""
    for x, out in zip(found, outs, strict=True):
        np.copyto(out, x, casting="unsafe")
