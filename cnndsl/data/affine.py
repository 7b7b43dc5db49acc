"""affine: turn, scale, shear and shift an image, each drawn anew. x (n, H, W, C) float32.

About the centre c, an output pixel p takes the value at A⁻¹(p − c − t) + c, with A = scale · R(rotate) · S(shear),
read bilinearly; outside the picture there is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.data.draws import Draws, drawn, span_of
from cnndsl.errors import error

Array = NDArray[Any]


def affine(rotate: Any = 0, scale: Any = 1, shear: Any = 0, shift: Any = 0) -> tuple[int, Callable[[Array, Draws], Array]]:
    """rotate, shear: degrees, a number n means −n..n. scale: a factor or a range. shift: pixels, n means −n..n,
    drawn for each axis.
    """
    turns, shears, shifts = (span_of(v, symmetric=True) for v in (rotate, shear, shift))
    scales = span_of(scale)
    if scales[0] <= 0:
        raise error("E422", f"a scale is above 0, not {scale}")
    if max(map(abs, shears)) >= 80:
        raise error("E422", f"a shear is below 80 degrees, not {shear}")

    def run(x: Array, draws: Draws) -> Array:
        u = draws.uniform()
        angle, slant = np.radians(drawn(u[:, 0], turns)), np.tan(np.radians(drawn(u[:, 2], shears)))
        factor = drawn(u[:, 1], scales)
        sin, cos = np.sin(angle), np.cos(angle)
        # A⁻¹ = S⁻¹ · R⁻¹ / factor on (row, column), the shear moving columns along with rows.
        down = np.stack([cos, sin], axis=1) / factor[:, None]
        along = np.stack([-sin, cos], axis=1) / factor[:, None] - slant[:, None] * down
        return warped(x, down, along, drawn(u[:, 3:5], shifts))

    return 5, run


def warped(x: Array, down: Array, along: Array, moved: Array) -> Array:
    """Bilinear samples. down, along (n, 2): the rows of each A⁻¹, giving the old row and column; moved (n, 2): t."""
    n, height, width, channels = x.shape
    middle = (height - 1) / 2, (width - 1) / 2
    rows = _old(down, moved, middle, height, width, middle[0])
    columns = _old(along, moved, middle, height, width, middle[1])
    # One pixel of zeros around: a coordinate outside is drawn back to that border.
    np.clip(rows, -1, height, out=rows)
    np.clip(columns, -1, width, out=columns)
    top = np.minimum(np.floor(rows), height - 1)
    left = np.minimum(np.floor(columns), width - 1)
    fy, fx = rows - top, columns - left
    padded = np.zeros((n, height + 2, width + 2, channels), np.float32)
    padded[:, 1:-1, 1:-1] = x
    index = (top.astype(np.intp) + 1) * (width + 2) + (left.astype(np.intp) + 1)
    index += np.arange(n)[:, None, None] * ((height + 2) * (width + 2))
    flat: Array = padded.reshape(-1) if channels == 1 else padded.reshape(-1, channels)
    if channels > 1:
        fy, fx = fy[..., None], fx[..., None]
    a = flat.take(index, axis=0)
    a += fx * (flat.take(index + 1, axis=0) - a)
    index += width + 2
    b = flat.take(index, axis=0)
    b += fx * (flat.take(index + 1, axis=0) - b)
    a += fy * (b - a)
    return a.reshape(x.shape)


def _old(row: Array, moved: Array, middle: tuple[float, float], height: int, width: int, centre: float) -> Array:
    """(n, H, W) float32: row · (p − c − t) + centre for every output pixel p."""
    y = row[:, :1] * (np.arange(height) - middle[0] - moved[:, :1]) + centre
    z = row[:, 1:] * (np.arange(width) - middle[1] - moved[:, 1:])
    return y.astype(np.float32)[:, :, None] + z.astype(np.float32)[:, None, :]
