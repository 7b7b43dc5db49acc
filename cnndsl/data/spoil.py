"""Image steps that spoil a picture: cutout, noise. x (n, H, W, C) float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.data.draws import Draws, drawn, span_of
from cnndsl.data.sides import pair
from cnndsl.errors import error

Array = NDArray[Any]
Made = tuple[int, Callable[[Array, Draws], Array]]


def cutout(size: Any) -> Made:
    """Zeros in a rectangle of `n` x `n` pixels, or [rows, columns], whose centre may be any pixel: at a border less of it
    lies within. DeVries, Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017.
    """
    high, wide = pair(size)

    def run(x: Array, draws: Draws) -> Array:
        x = x.copy()
        for picture, u in zip(x, draws.uniform(), strict=True):
            top = int(u[0] * x.shape[1]) - high // 2
            left = int(u[1] * x.shape[2]) - wide // 2
            picture[max(top, 0) : max(top + high, 0), max(left, 0) : max(left + wide, 0)] = 0
        return x

    return 2, run


def noise(amount: Any) -> Made:
    """x + amount · normal numbers, one for each value of each pixel; a range of amounts is drawn for each picture. What
    leaves 0..1 stays outside.
    """
    low, high = span_of(amount)
    if low < 0:
        raise error("E422", f"noise is from 0 up, not {amount}")

    def run(x: Array, draws: Draws) -> Array:
        amounts = drawn(draws.uniform()[:, 0], (low, high))
        size = x[0].size if len(x) else 0
        added = [(amounts[i] * draws.normal(i, size)).astype(np.float32) for i in range(len(x))]
        return x + np.stack(added).reshape(x.shape)

    return 1, run
