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


def in_rows(tiles: Sequence[Array], wide: int | None = None) -> list[list[Array]]:
    """`tiles` row by row, `wide` in each; else about twice as many as there are rows."""
    across = wide or columns(len(tiles))
    return [list(tiles[i : i + across]) for i in range(0, len(tiles), across)]


def columns(count: int) -> int:
    """Of so many tiles, how many stand side by side: about twice as many as rows, with full rows where that is near."""
    near = min(count, max(1, round((2 * count) ** 0.5)))
    return next((n for n in range(near, min(count, 2 * near) + 1) if count % n == 0), near)
