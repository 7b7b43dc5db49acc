"""Pictures cut, mirrored, at another size, and as floats: arrays x (n, H, W, C), uint8 or float32, or one `Photograph`.

Pillow's triangle filter, widened by the factor where a picture shrinks. Eight bits stay eight bits, rounded after each
direction, so that a photograph comes out as from torchvision; floats are filtered as floats. Neither depends on a BLAS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

Array = NDArray[Any]


@dataclass(frozen=True)
class Photograph:
    """One picture of eight bits, grey or RGB, as Pillow holds it: what is cut away is never made an array."""

    image: Image

    def __len__(self) -> int:
        return 1

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return 1, self.image.height, self.image.width, len(self.image.getbands())

    def array(self) -> Array:
        """(1, H, W, C) uint8."""
        return np.asarray(self.image).reshape(self.shape)


Pictures = Array | Photograph


def arrayed(x: Pictures) -> Array:
    return x.array() if isinstance(x, Photograph) else x


def floats(x: Pictures) -> Array:
    """float32 in [0, 1] from uint8; floats as they are."""
    x = arrayed(x)
    return np.multiply(x, np.float32(1 / 255), dtype=np.float32) if x.dtype == np.uint8 else x.astype(np.float32, copy=False)


def cut(x: Pictures, top: int, left: int, height: int, width: int) -> Pictures:
    """The part of that size at (top, left), which lies within."""
    if isinstance(x, Photograph):
        return Photograph(x.image.crop((left, top, left + width, top + height)))
    return x[:, top : top + height, left : left + width]


def mirrored(x: Pictures, axis: str) -> Pictures:
    """Left and right swapped (`horizontal`), or top and bottom."""
    if isinstance(x, Photograph):
        from PIL.Image import Transpose

        return Photograph(x.image.transpose(Transpose.FLIP_LEFT_RIGHT if axis == "horizontal" else Transpose.FLIP_TOP_BOTTOM))
    return x[:, :, ::-1] if axis == "horizontal" else x[:, ::-1]


def resized(x: Pictures, height: int, width: int, filter: str = "bilinear") -> Pictures:
    """At size height x width by Pillow's filter of that name, eight bits or float32 as `x` is."""
    if x.shape[1:3] == (height, width):
        return x
    from PIL.Image import Resampling, fromarray

    size, how = (width, height), Resampling[filter.upper()]
    if isinstance(x, Photograph):
        return Photograph(x.image.resize(size, how))
    if x.dtype != np.uint8:
        x = x.astype(np.float32, copy=False)
    out = np.empty((len(x), height, width, x.shape[3]), x.dtype)
    for picture, made in zip(x, out, strict=True):
        if x.dtype == np.uint8 and x.shape[3] == 3:
            made[:] = fromarray(np.ascontiguousarray(picture)).resize(size, how)
            continue
        for c in range(x.shape[3]):
            made[:, :, c] = fromarray(np.ascontiguousarray(picture[:, :, c])).resize(size, how)
    return out
