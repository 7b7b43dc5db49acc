"""Pictures at another size, and as floats. x (n, H, W, C) uint8 or float32."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def floats(x: Array) -> Array:
    """float32 in [0, 1] from uint8; floats as they are."""
    return np.multiply(x, np.float32(1 / 255), dtype=np.float32) if x.dtype == np.uint8 else x.astype(np.float32, copy=False)


def resized(x: Array, height: int, width: int) -> Array:
    """float32 of size height x width. A triangle filter, widened by the factor where the picture shrinks.

    Pillow's filter on planes of floats: what it gives has not been rounded to eight bits between, and does not depend
    on a BLAS and its threads.
    """
    if x.shape[1:3] == (height, width):
        return floats(x)
    from PIL import Image

    out = np.empty((len(x), height, width, x.shape[3]), np.float32)
    unit = np.float32(1 / 255 if x.dtype == np.uint8 else 1)
    for picture, made in zip(x, out, strict=True):
        for c in range(x.shape[3]):
            plane = Image.fromarray(picture[:, :, c].astype(np.float32))
            np.multiply(np.asarray(plane.resize((width, height), Image.Resampling.BILINEAR)), unit, out=made[:, :, c])
    return out
