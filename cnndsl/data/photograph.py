"""One photograph: read, spoilt in the ways that are to be mended, measured. x (H, W, C) float32 in [0, 1]."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnndsl.data.images import read_picture, write_picture
from cnndsl.data.resample import arrayed, floats
from cnndsl.data.resample import resized as resized_pictures
from cnndsl.errors import error
from cnndsl.random import normal, stream_of, uniform, words
from cnndsl.whole import whole

Array = NDArray[np.float32]


def read_photograph(path: str | Path) -> Array:
    """(H, W, 1) or (H, W, 3). Raises E703, E704."""
    return floats(read_picture(path))


def read_mask(path: str | Path, shape: tuple[int, ...]) -> Array:
    """(H, W, 1): 1 where the picture is known (white), 0 where it is to be filled in (black). Raises E703, E704, E706."""
    x = read_photograph(path)
    if x.shape[:2] != shape[:2]:
        raise error("E706", f"{path} has {x.shape[1]} x {x.shape[0]} pixels, the picture {shape[1]} x {shape[0]}")
    known = (x.mean(axis=2, keepdims=True) >= 0.5).astype(np.float32)
    if not known.any() or known.all():
        what = "black: nothing is known" if not known.any() else "white: nothing is missing"
        raise error("E706", f"{path} is all {what}", help="white is known, black is to be filled in")
    return known


def save_photograph(path: Path, x: Array) -> None:
    """Write PNG, so that whoever watches the file never sees half a picture; a link is replaced. Raises
    OSError, E706."""
    with whole(path, follow=False) as aside:
        write_picture(aside, x)


def with_noise(x: Array, sigma: float, seed: int) -> Array:
    """Gaussian noise of deviation `sigma` (25 / 255 in most papers), cut to [0, 1] as a camera would."""
    z = normal(np, seed, 0, stream_of("photograph.noise"), x.size + x.size % 2)[: x.size].reshape(x.shape)
    return np.clip(x + sigma * z, 0, 1).astype(np.float32)


def with_holes(shape: tuple[int, ...], share: float, seed: int) -> Array:
    """A mask (H, W, 1) in which each pixel is missing (0) with probability `share`."""
    count = shape[0] * shape[1]
    u = uniform(np, words(np, seed, 0, stream_of("photograph.holes"), 0, count))
    return (u >= share).astype(np.float32).reshape(*shape[:2], 1)


def resized(x: Array, height: int, width: int, filter: str) -> Array:
    """By Pillow's filter of that name, `lanczos` or `bicubic`, on floats; cut to [0, 1]."""
    return np.clip(arrayed(resized_pictures(x[None], height, width, filter))[0], 0, 1)


def psnr(x: Array, truth: Array) -> float:
    """10 · log₁₀(1 / mean squared difference) in dB, over all channels; inf where they are equal."""
    gap = float(np.mean((np.clip(x, 0, 1).astype(np.float64) - truth) ** 2))
    return float("inf") if gap == 0 else 10 * float(np.log10(1 / gap))
