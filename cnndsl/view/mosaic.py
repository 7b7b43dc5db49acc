"""Many small pictures as one, in rows, with gaps between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
SIDE = 48
"""Pixels to which the longer side of a tile is enlarged at least, so that a gap can be narrower than one of its pixels."""


def mosaic(rows: Sequence[Sequence[Array]]) -> Array:
    """Tiles of one shape, (h, w) or (h, w, 3), as one array: (H, W), NaN between them, or (H, W, 4), transparent there."""
    first = rows[0][0]
    high, wide = first.shape[:2]
    by = max(1, -(-SIDE // max(high, wide)))
    step_down, step_right = high * by, wide * by
    gap = max(1, max(step_down, step_right) // 12)
    most = max(map(len, rows))
    size = (len(rows) * (step_down + gap) - gap, most * (step_right + gap) - gap)
    colours = first.ndim == 3
    whole = np.zeros((*size, 4)) if colours else np.full(size, np.nan)
    for i, row in enumerate(rows):
        for k, tile in enumerate(row):
            place = whole[i * (step_down + gap) :, k * (step_right + gap) :][:step_down, :step_right]
            large = tile.repeat(by, axis=0).repeat(by, axis=1)
            if colours:
                place[..., :3], place[..., 3] = large, 1
            else:
                place[...] = large
    return whole


def in_rows(tiles: Sequence[Array], shape: float = 2.0) -> list[list[Array]]:
    """`tiles` row by row, about `shape` times as many side by side as there are rows."""
    across = columns(len(tiles), shape)
    return [list(tiles[i : i + across]) for i in range(0, len(tiles), across)]


def columns(count: int, shape: float = 2.0) -> int:
    """Of so many tiles, how many stand side by side, with full rows where that is near."""
    best = min(count, max(1, round((shape * count) ** 0.5)))
    near = [n for n in range(-(-7 * best // 10), min(3 * best // 2, count) + 1) if count % n == 0]
    return min(near, key=lambda n: abs(n - best), default=best)
