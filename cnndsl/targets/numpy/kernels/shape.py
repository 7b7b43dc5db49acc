"""What only moves numbers: copies, concatenation, padding."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def concat(parts: tuple[Array, ...], out: Array) -> None:
    """out = the parts side by side along the channels; a larger part is cropped about its centre."""
    at = 0
    for x in parts:
        cut = [slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(x.shape[1:-1], out.shape[1:-1], strict=True)]
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


def crop(x: Array, out: Array, *, begin: tuple[int, ...]) -> None:
    """out = the part of x that begins at `begin` on each axis but the first."""
    np.copyto(out, x[(slice(None), *(slice(b, b + n) for b, n in zip(begin, out.shape[1:], strict=True)))])


def copy_results(found: tuple[Any, ...], *outs: Array) -> None:
    """What a reference returned, into the arrays where it belongs."""
    for x, out in zip(found, outs, strict=True):
        np.copyto(out, x, casting="unsafe")
