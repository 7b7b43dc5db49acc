"""Image steps that move pixels by whole steps, or change the size: resize, flip, pad, shift.

x: arrays (n, H, W, C), uint8 or float32, or one photograph. Sizes in pixels, height before width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.data.draws import Draws, drawn, span_of
from cnndsl.data.resample import Pictures, arrayed, floats, mirrored, resized
from cnndsl.data.sides import pair, side
from cnndsl.errors import error
from cnndsl.language.vocabulary import SIDE

Array = NDArray[Any]
Made = tuple[int, Callable[[Pictures, Draws], Pictures]]


def resize(size: Any) -> Made:
    """`resize(HxW)`, or `resize(n)`: the shorter side becomes n. Bilinear; when shrinking, over the whole area that a
    new pixel covers (a triangle filter widened by the factor), so that thin strokes survive. A range is drawn.
    """
    low, high = span_of(size) if not isinstance(size, tuple) else (0.0, 0.0)
    fixed = None if isinstance(size, tuple) else low == high
    target = pair(size) if isinstance(size, tuple) else None
    if target is None:
        side(low)
        side(high)

    def run(x: Pictures, draws: Draws) -> Pictures:
        if target is not None:
            return resized(x, *target)
        if fixed:
            return resized(x, *shorter(x, int(low)))
        (drawn_side,) = np.floor(drawn(draws.uniform()[:, 0], (low, high + 1)))  # such pictures come one by one
        return resized(x, *shorter(x, int(drawn_side)))

    return (0 if fixed is not False else 1), run


def flip(axis: str = "horizontal") -> Made:
    """Mirrored, for every other image on average. `horizontal` swaps left and right."""
    if axis not in ("horizontal", "vertical"):
        raise error("E422", f"expected horizontal or vertical, but found {axis}")

    def run(x: Pictures, draws: Draws) -> Pictures:
        chosen = draws.uniform()[:, 0] < 0.5
        if len(x) == 1:
            return mirrored(x, axis) if chosen[0] else x
        return np.where(chosen[:, None, None, None], arrayed(mirrored(x, axis)), arrayed(x))

    return 1, run


def pad(amount: Any, mode: str = "zero") -> Made:
    """`amount` more pixels on every side; a list is [rows, columns]. `mode`: zero, reflect or edge."""
    high, wide = amount if isinstance(amount, tuple) and len(amount) == 2 else (amount, amount)
    if not all(isinstance(v, int) and not isinstance(v, bool) and 0 <= v <= SIDE for v in (high, wide)):
        raise error("E422", f"a pad is a whole number from 0, or [rows, columns], not {amount}")
    modes: dict[str, Any] = {"zero": "constant", "reflect": "reflect", "edge": "edge"}
    if mode not in modes:
        raise error("E422", f"expected zero, reflect or edge, but found {mode}")

    def run(x: Pictures, draws: Draws) -> Pictures:
        return np.asarray(np.pad(arrayed(x), ((0, 0), (high, high), (wide, wide), (0, 0)), mode=modes[mode]))

    return 0, run


def shift(amount: Any) -> Made:
    """Moved by whole pixels drawn from −n..n along each axis; zeros come in."""
    low, high = span_of(amount, symmetric=True)
    if low != int(low) or high != int(high):
        raise error("E422", f"a shift goes by whole pixels, not {amount}")

    def run(x: Pictures, draws: Draws) -> Pictures:
        x = floats(x)
        n, height, width, _ = x.shape
        moved = np.floor(drawn(draws.uniform(), (low, high + 1))).astype(np.intp)
        rows = np.arange(height) - moved[:, :1]
        columns = np.arange(width) - moved[:, 1:]
        inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
        rows, columns = rows.clip(0, height - 1), columns.clip(0, width - 1)
        return x[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]] * inside[..., None].astype(np.float32)

    return 2, run


def shorter(x: Pictures, n: int) -> tuple[int, int]:
    """The size of pictures whose shorter side becomes n; the other one is rounded down, as torchvision does."""
    _, h, w, _ = x.shape
    return (n, w * n // h) if h <= w else (h * n // w, n)
