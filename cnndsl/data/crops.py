"""Image steps that keep a part of the picture: crop, center_crop, random_crop, random_resized_crop.

x: arrays (n, H, W, C), uint8 or float32, or one photograph. Sizes in pixels, height before width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cnndsl.data.draws import Draws, span_of
from cnndsl.data.resample import Pictures, arrayed, cut, resized
from cnndsl.data.sides import pair
from cnndsl.errors import error

Made = tuple[int, Callable[[Pictures, Draws], Pictures]]
TRIES = 10


class _Default:
    """A range as the language writes it."""

    def __init__(self, low: float, high: float, text: str) -> None:
        self.low, self.high, self.text = low, high, text

    def __repr__(self) -> str:
        return self.text


AREA, ASPECT = _Default(0.08, 1.0, "0.08..1"), _Default(3 / 4, 4 / 3, "0.75..1.3333")


def center_crop(size: Any) -> Made:
    """The middle `n` x `n` or `HxW` pixels."""
    height, width = pair(size)

    def run(x: Pictures, draws: Draws) -> Pictures:
        within("center_crop", x, height, width)
        top, left = (x.shape[1] - height) // 2, (x.shape[2] - width) // 2
        return cut(x, top, left, height, width)

    return 0, run


def crop(size: Any, at: Any = (0, 0)) -> Made:
    """`n` x `n` or `HxW` pixels, whose upper left one is at [row, column]; `at = 3` is [3, 3]."""
    height, width = pair(size)
    place = at if isinstance(at, tuple) else (at, at)
    if not (len(place) == 2 and all(isinstance(v, int) and v >= 0 for v in place)):
        raise error("E422", f"at is [row, column], or one number for both, not {at}")
    top, left = place

    def run(x: Pictures, draws: Draws) -> Pictures:
        within("crop", x, height + top, width + left)
        return cut(x, top, left, height, width)

    return 0, run


def random_crop(size: Any) -> Made:
    """`n` x `n` or `HxW` pixels from anywhere in the picture."""
    height, width = pair(size)

    def run(x: Pictures, draws: Draws) -> Pictures:
        within("random_crop", x, height, width)
        u = draws.uniform()
        top = (u[:, 0] * (x.shape[1] - height + 1)).astype(np.intp)
        left = (u[:, 1] * (x.shape[2] - width + 1)).astype(np.intp)
        if len(x) == 1:
            return cut(x, int(top[0]), int(left[0]), height, width)
        rows, columns = top[:, None] + np.arange(height), left[:, None] + np.arange(width)
        return np.asarray(arrayed(x)[np.arange(len(x))[:, None, None], rows[:, :, None], columns[:, None, :]])

    return 2, run


def random_resized_crop(size: Any, area: Any = AREA, aspect: Any = ASPECT) -> Made:
    """A part with a drawn share of the area and a drawn aspect (width over height), brought to `n` x `n` or `HxW` pixels.

    The share is drawn evenly, the aspect by its logarithm; a part that does not fit is drawn anew, ten times, and then
    is the largest of an allowed aspect in the middle. Szegedy et al., "Going Deeper with Convolutions", 2014; the
    details are those of torchvision's RandomResizedCrop.
    """
    height, width = pair(size)
    areas, aspects = span_of(area), span_of(aspect)
    if not 0 < areas[0] <= areas[1] <= 1:
        raise error("E422", f"area is a share above 0 to 1, or a range of such, not {area}")
    if aspects[0] <= 0:
        raise error("E422", f"an aspect is above 0, not {aspect}")

    def run(x: Pictures, draws: Draws) -> Pictures:
        parts = [part(x.shape[1], x.shape[2], u.tolist(), areas, aspects) for u in draws.uniform()]
        if len(x) == 1:
            return resized(cut(x, *parts[0]), height, width)
        made = [resized(cut(picture[None], *p), height, width) for picture, p in zip(arrayed(x), parts, strict=True)]
        return np.concatenate([arrayed(y) for y in made])

    return 4 * TRIES, run


def part(
    h: int, w: int, u: Sequence[float], areas: tuple[float, float], aspects: tuple[float, float]
) -> tuple[int, int, int, int]:
    """(top, left, height, width) of a part of an h x w picture. u: four numbers in [0, 1) for each try."""
    logs = math.log(aspects[0]), math.log(aspects[1])
    for k in range(0, len(u), 4):
        area = h * w * (areas[0] + u[k] * (areas[1] - areas[0]))
        aspect = math.exp(logs[0] + u[k + 1] * (logs[1] - logs[0]))
        wide, high = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < wide <= w and 0 < high <= h:
            return int(u[k + 2] * (h - high + 1)), int(u[k + 3] * (w - wide + 1)), high, wide
    high, wide = h, w
    if w / h < aspects[0]:
        high = max(1, round(w / aspects[0]))
    elif w / h > aspects[1]:
        wide = max(1, round(h * aspects[1]))
    return (h - high) // 2, (w - wide) // 2, high, wide


def within(what: str, x: Pictures, height: int, width: int) -> None:
    """Raise E706 where the pictures have no so many pixels."""
    if x.shape[1] < height or x.shape[2] < width:
        raise error("E706", f"{what}: {height}x{width} pixels do not lie within a picture of {x.shape[1]}x{x.shape[2]}",
                    help="resize first")  # fmt: skip
