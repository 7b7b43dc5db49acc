"""Larger by whole factors, straight between neighbours, and the transposed map: an axis after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.targets.numpy.kernels.memory import carve

Array = NDArray[Any]
LOW = slice(None, -1)
HIGH = slice(1, None)


def linear(x: Array, out: Array, *, factor: tuple[int, ...], scratch: Array) -> None:
    """out = x, larger by `factor` along each axis of space; numbers stand for areas, edges go on."""
    axes = [axis for axis, f in enumerate(factor, 1) if f > 1]
    shapes, shape = [], x.shape
    for axis in axes[:-1]:
        shape = (*shape[:axis], shape[axis] * factor[axis - 1], *shape[axis + 1 :])
        shapes.append(shape)
    results = [*carve(scratch, *((s, "f4") for s in shapes)), out]
    for axis, y in zip(axes, results, strict=True):
        f = factor[axis - 1]
        parts = y.reshape(*x.shape[: axis + 1], f, *x.shape[axis + 1 :])
        rows, parts = np.moveaxis(x, axis, 0), np.moveaxis(parts, (axis + 1, axis), (0, 1))
        for j, part in enumerate(parts):
            away = (j + 0.5) / f - 0.5
            if away == 0:
                np.copyto(part, rows)
                continue
            near, far, end = (LOW, HIGH, -1) if away > 0 else (HIGH, LOW, 0)
            np.subtract(rows[far], rows[near], out=part[near])
            part[near] *= abs(away)
            part[near] += rows[near]
            np.copyto(part[end], rows[end])
        x = y


def linear_grad(g: Array, out: Array, *, factor: tuple[int, ...], scratch: Array) -> None:
    """The transposed map: each number of g, by their weights, to those that `linear` makes it of."""
    axes = [axis for axis, f in enumerate(factor, 1) if f > 1]
    shapes, shape = [], g.shape
    for axis in axes:
        shape = (*shape[:axis], shape[axis] // factor[axis - 1], *shape[axis + 1 :])
        shapes.append(shape)
    space, *results = carve(scratch, *((s, "f4") for s in (shapes[0], *shapes[:-1])))
    for axis, y in zip(axes, [*results, out], strict=True):
        f = factor[axis - 1]
        parts = g.reshape(*y.shape[: axis + 1], f, *y.shape[axis + 1 :])
        rows, parts = np.moveaxis(y, axis, 0), np.moveaxis(parts, (axis + 1, axis), (0, 1))
        (weighed,) = carve(space.reshape(-1), (y.shape, "f4"))
        weighed = np.moveaxis(weighed, axis, 0)
        for j, part in enumerate(parts):
            away = (j + 0.5) / f - 0.5
            np.multiply(part, 1 - abs(away), out=weighed if j else rows)
            if j:
                rows += weighed
            if away == 0:
                continue
            near, far, end = (LOW, HIGH, -1) if away > 0 else (HIGH, LOW, 0)
            np.multiply(part, abs(away), out=weighed)
            rows[far] += weighed[near]
            rows[end] += weighed[end]
        g = y
