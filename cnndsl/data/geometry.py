"""Image steps that move pixels by whole steps, or change the size: resize, crops, flip, pad, shift.

x (n, H, W, C) float32. Sizes in pixels, height before width.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.data.draws import Draws, drawn, span_of
from cnndsl.errors import error

Array = NDArray[Any]
Made = tuple[int, Callable[[Array, Draws], Array]]
LARGEST = 16_384  # pixels along a side


def resize(size: Any) -> Made:
    """`resize(HxW)`, or `resize(n)`: the shorter side becomes n. Bilinear; when shrinking, over the whole area that a
    new pixel covers (a triangle filter widened by the factor), so that thin strokes survive. A range is drawn.
    """
    low, high = span_of(size) if not isinstance(size, tuple) else (0.0, 0.0)
    fixed = None if isinstance(size, tuple) else low == high
    target = _pair(size) if isinstance(size, tuple) else None
    if target is None:
        _side(low)
        _side(high)

    def run(x: Array, draws: Draws) -> Array:
        if target is not None:
            return resized(x, *target)
        if fixed:
            return resized(x, *_shorter(x, int(low)))
        (side,) = np.floor(drawn(draws.uniform()[:, 0], (low, high + 1)))  # such pictures come one by one
        return resized(x, *_shorter(x, int(side)))

    return (0 if fixed is not False else 1), run


def resized(x: Array, height: int, width: int) -> Array:
    n, h, w, c = x.shape
    if (h, w) == (height, width):
        return x
    rows, columns = weights(h, height), weights(w, width)
    x = (rows @ x.reshape(n, h, w * c)).reshape(n * height, w, c)
    return np.asarray((columns @ x).reshape(n, height, width, c))


@lru_cache(64)
def weights(old: int, new: int) -> Array:
    """(new, old): how much each old pixel counts for each new one; every row sums to 1."""
    scale = old / new
    reach = max(scale, 1.0)
    centre = (np.arange(new) + 0.5) * scale - 0.5
    near = np.maximum(1 - np.abs(np.arange(old)[None, :] - centre[:, None]) / reach, 0)
    return np.asarray(near / near.sum(axis=1, keepdims=True), np.float32)


def center_crop(size: Any) -> Made:
    """The middle `n` x `n` or `HxW` pixels."""
    height, width = _pair(size)

    def run(x: Array, draws: Draws) -> Array:
        _within("center_crop", x, height, width)
        top, left = (x.shape[1] - height) // 2, (x.shape[2] - width) // 2
        return x[:, top : top + height, left : left + width]

    return 0, run


def crop(size: Any, at: Any = (0, 0)) -> Made:
    """`n` x `n` or `HxW` pixels, whose upper left one is at [row, column]."""
    height, width = _pair(size)
    if not (isinstance(at, tuple) and len(at) == 2 and all(isinstance(v, int) and v >= 0 for v in at)):
        raise error("E422", f"at is [row, column], not {at}")

    def run(x: Array, draws: Draws) -> Array:
        _within("crop", x, height + at[0], width + at[1])
        return x[:, at[0] : at[0] + height, at[1] : at[1] + width]

    return 0, run


def random_crop(size: Any) -> Made:
    """`n` x `n` or `HxW` pixels from anywhere in the picture."""
    height, width = _pair(size)

    def run(x: Array, draws: Draws) -> Array:
        _within("random_crop", x, height, width)
        u = draws.uniform()
        top = (u[:, 0] * (x.shape[1] - height + 1)).astype(np.intp)
        left = (u[:, 1] * (x.shape[2] - width + 1)).astype(np.intp)
        rows, columns = top[:, None] + np.arange(height), left[:, None] + np.arange(width)
        return np.asarray(x[np.arange(len(x))[:, None, None], rows[:, :, None], columns[:, None, :]])

    return 2, run


def flip(axis: str = "horizontal") -> Made:
    """Mirrored, for every other image on average. `horizontal` swaps left and right."""
    if axis not in ("horizontal", "vertical"):
        raise error("E422", f"expected horizontal or vertical, but found {axis}")

    def run(x: Array, draws: Draws) -> Array:
        mirror = x[:, :, ::-1] if axis == "horizontal" else x[:, ::-1]
        return np.where(draws.uniform()[:, 0, None, None, None] < 0.5, mirror, x)

    return 1, run


def pad(amount: Any, mode: str = "zero") -> Made:
    """`amount` more pixels on every side; a list is [rows, columns]. `mode`: zero, reflect or edge."""
    high, wide = amount if isinstance(amount, tuple) and len(amount) == 2 else (amount, amount)
    if not all(isinstance(v, int) and not isinstance(v, bool) and 0 <= v <= LARGEST for v in (high, wide)):
        raise error("E422", f"a pad is a whole number from 0, or [rows, columns], not {amount}")
    modes: dict[str, Any] = {"zero": "constant", "reflect": "reflect", "edge": "edge"}
    if mode not in modes:
        raise error("E422", f"expected zero, reflect or edge, but found {mode}")

    def run(x: Array, draws: Draws) -> Array:
        return np.asarray(np.pad(x, ((0, 0), (high, high), (wide, wide), (0, 0)), mode=modes[mode]))

    return 0, run


def shift(amount: Any) -> Made:
    """Moved by whole pixels drawn from −n..n along each axis; zeros come in."""
    low, high = span_of(amount, symmetric=True)
    if low != int(low) or high != int(high):
        raise error("E422", f"a shift goes by whole pixels, not {amount}")

    def run(x: Array, draws: Draws) -> Array:
        n, height, width, _ = x.shape
        moved = np.floor(drawn(draws.uniform(), (low, high + 1))).astype(np.intp)
        rows = np.arange(height) - moved[:, :1]
        columns = np.arange(width) - moved[:, 1:]
        inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
        rows, columns = rows.clip(0, height - 1), columns.clip(0, width - 1)
        return x[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]] * inside[..., None].astype(np.float32)

    return 2, run


def _pair(size: Any) -> tuple[int, int]:
    pair = size if isinstance(size, tuple) else (size, size)
    if len(pair) != 2:
        raise error("E422", f"a size is n or HxW, not {size}")
    return _side(pair[0]), _side(pair[1])


def _side(n: Any) -> int:
    if isinstance(n, bool) or not isinstance(n, (int, float)) or n != int(n) or not 1 <= n <= LARGEST:
        raise error("E422", f"a side has from 1 to {LARGEST:,} pixels, not {n}")
    return int(n)


def _shorter(x: Array, n: int) -> tuple[int, int]:
    _, h, w, _ = x.shape
    return (n, max(1, round(w * n / h))) if h <= w else (max(1, round(h * n / w)), n)


def _within(what: str, x: Array, height: int, width: int) -> None:
    if x.shape[1] < height or x.shape[2] < width:
        raise error("E706", f"{what}: {height}x{width} pixels do not lie within a picture of {x.shape[1]}x{x.shape[2]}",
                    help="resize first")  # fmt: skip
