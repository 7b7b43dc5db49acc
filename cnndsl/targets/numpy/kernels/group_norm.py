"""Normalisation of each image over groups of its channels, tile by tile, and its gradient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.targets.numpy.kernels.memory import carve
from cnndsl.targets.numpy.kernels.reduce import moments_of_share

Array = NDArray[Any]


def of_groups(channels: Array, groups: int) -> Array:
    """For each channel the mean over its group's. channels (C,)."""
    return np.repeat(channels.reshape(groups, -1).mean(axis=1), len(channels) // groups)


def group_moments(x: Array, groups: int, *, wide: int, rows: int, scratch: Array) -> tuple[Array, Array]:
    """Mean and biased variance of its group, for each channel of one image (*space, C), in float64 (C,)."""
    mean, spread = np.empty(x.shape[-1], "f8"), np.empty(x.shape[-1], "f8")
    count = moments_of_share(x, mean, spread, wide=wide, rows=rows, scratch=scratch)
    middle = of_groups(mean, groups)
    return middle, of_groups(spread / count + (mean - middle) ** 2, groups)


def channel_row(channels: Array, wide: int) -> Array:
    """One number a channel for each of `wide` positions side by side."""
    return np.tile(channels.astype("f4"), wide)


def group_norm(
    x: Array,
    gamma: Array,
    beta: Array,
    out: Array,
    *,
    groups: int,
    eps: float,
    wide: int,
    rows: int,
    scratch: Array,
) -> None:
    """out = gamma · (x − mean) / √(variance + eps) + beta, moments of image and group. x (N, *space, C)."""
    shift = channel_row(beta, wide)
    for tile in standardized(x, gamma, out, groups, eps, wide, rows, scratch):
        np.add(tile, shift, out=tile)


def standardize(
    x: Array, out: Array, *, groups: int, eps: float, wide: int, rows: int, scratch: Array
) -> None:
    """out = (x − mean) / √(variance + eps), moments of each image and group. x, out (N, *space, C)."""
    for _ in standardized(x, 1, out, groups, eps, wide, rows, scratch):
        pass


def standardized(
    x: Array, gamma: Any, out: Array, groups: int, eps: float, wide: int, rows: int, scratch: Array
) -> Iterator[Array]:
    """The tiles of out once gamma · (x − mean) / √(variance + eps) is in them; `wide` positions in a row."""
    for image, y in zip(x, out, strict=True):
        mean, variance = group_moments(image, groups, wide=wide, rows=rows, scratch=scratch)
        middle, factor = channel_row(mean, wide), channel_row(gamma / np.sqrt(variance + eps), wide)
        flat, made = image.reshape(-1, len(middle)), y.reshape(-1, len(middle))
        for i in range(0, len(flat), rows):
            tile = made[i : i + rows]
            np.subtract(flat[i : i + rows], middle, out=tile)
            np.multiply(tile, factor, out=tile)
            yield tile


def standardize_grad(
    x: Array,
    y: Array,
    gy: Array,
    out: Array,
    *,
    groups: int,
    eps: float,
    wide: int,
    rows: int,
    scratch: Array,
) -> None:
    """out = (gy − mean(gy) − y · mean(gy · y)) / √(variance(x) + eps), means over each image and group.

    x; y: what `standardize` made of it; gy: the gradient of that; all (N, *space, C).
    """
    c = x.shape[-1]
    (spare,) = carve(scratch, ((rows, wide * c), "f4"))
    for image, normal, upper, lower in zip(x, y, gy, out, strict=True):
        _, variance = group_moments(image, groups, wide=wide, rows=rows, scratch=scratch)
        flat = [a.reshape(-1, wide * c) for a in (normal, upper, lower)]
        first, second = np.zeros(wide * c, "f8"), np.zeros(wide * c, "f8")
        for i in range(0, len(flat[0]), rows):
            n, d, _ = (a[i : i + rows] for a in flat)
            first += np.add.reduce(d, axis=0)
            second += np.add.reduce(np.multiply(n, d, out=spare[: len(n)]), axis=0)
        count = len(flat[0]) * wide
        mean, inner = (
            channel_row(of_groups(total.reshape(wide, c).sum(axis=0) / count, groups), wide)
            for total in (first, second)
        )
        factor = channel_row(1 / np.sqrt(variance + eps), wide)
        for i in range(0, len(flat[0]), rows):
            n, d, tile = (a[i : i + rows] for a in flat)
            np.multiply(n, inner, out=tile)
            np.subtract(d, tile, out=tile)
            np.subtract(tile, mean, out=tile)
            np.multiply(tile, factor, out=tile)
