"""Softmax and the losses."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.targets.numpy.kernels.memory import carve

Array = NDArray[Any]
TILE = 12288  # numbers in one tile
ROWS = 1024  # in one tile: what is computed of each row takes 8 KB


def tile_rows(positions: int, classes: int) -> int:
    """How many rows of a (positions, classes) matrix one tile has."""
    return min(positions, ROWS, max(1, TILE // classes))


def row_blocks(x: Array) -> list[slice]:
    """Ranges of the rows of a matrix, a tile each."""
    step = tile_rows(*x.shape)
    return [slice(i, min(i + step, len(x))) for i in range(0, len(x), max(step, 1))]


def softmax(x: Array, out: Array) -> None:
    """out = exp(x − max) / Σ exp(x − max) over the last axis."""
    x, y = x.reshape(-1, x.shape[-1]), out.reshape(-1, out.shape[-1])
    for part in row_blocks(x):
        np.subtract(x[part], x[part].max(axis=1, keepdims=True), out=y[part])
        np.exp(y[part], out=y[part])
        y[part] /= y[part].sum(axis=1, keepdims=True)


def log_softmax(x: Array, out: Array, *, scratch: Array) -> None:
    """out = x − max − log Σ exp(x − max) over the last axis."""
    x, y = x.reshape(-1, x.shape[-1]), out.reshape(-1, out.shape[-1])
    (tile,) = carve(scratch, ((tile_rows(*x.shape), x.shape[1]), "f4"))
    for part in row_blocks(x):
        np.subtract(x[part], x[part].max(axis=1, keepdims=True), out=y[part])
        y[part] -= np.log(np.exp(y[part], out=tile[: len(y[part])]).sum(axis=1, keepdims=True))


def cross_entropy(
    logits: Array, label: Array, out: Array, *, label_smoothing: float, count: int, scratch: Array
) -> None:
    """out = −Σ over positions of Σ_c q_c log softmax(logits)_c, over count.

    q: (1 − ε) at the label, ε / C everywhere.

    logits (…, C) float32; label (…) int32; out: a scalar.
    """
    classes = logits.shape[-1]
    x, at = logits.reshape(-1, classes), label.reshape(-1)
    (tile,) = carve(scratch, ((tile_rows(*x.shape), classes), "f4"))
    total = 0.0
    for part in row_blocks(x):
        shifted = np.subtract(x[part], x[part].max(axis=1, keepdims=True), out=tile[: len(x[part])])
        chosen = np.take_along_axis(shifted, at[part, None].astype("i8"), axis=1)[:, 0]
        smoothed = shifted.sum(axis=1, dtype="f8") if label_smoothing else 0.0
        norm = np.log(np.exp(shifted, out=shifted).sum(axis=1, dtype="f8"))
        total += float((norm - (1.0 - label_smoothing) * chosen - label_smoothing / classes * smoothed).sum())
    np.copyto(out, total / count, casting="unsafe")


def cross_entropy_grad(
    logits: Array, label: Array, g: Array, out: Array, *, label_smoothing: float, count: int
) -> None:
    """out = g / count · (softmax(logits) − q), with q as in `cross_entropy`."""
    classes = logits.shape[-1]
    softmax(logits, out)
    y, at = out.reshape(-1, classes), label.reshape(-1)
    if label_smoothing:
        y -= label_smoothing / classes
    for part in row_blocks(y):
        rows = y[part]
        rows[np.arange(len(rows)), at[part]] -= 1.0 - label_smoothing
    y *= g / count


def mse(output: Array, target: Array, mask: Array | None, out: Array, *, count: int, scratch: Array) -> None:
    """out = Σ mask · (output − target)² / count, a scalar.

    mask: of output's shape, with one channel, or none.
    """
    c = output.shape[-1]
    x, t = output.reshape(-1, c), target.reshape(-1, c)
    m = None if mask is None else mask.reshape(len(x), -1)
    (tile,) = carve(scratch, ((tile_rows(*x.shape), c), "f4"))
    total = 0.0
    for part in row_blocks(x):
        square = np.subtract(x[part], t[part], out=tile[: len(x[part])])
        square *= square
        if m is not None:
            square *= m[part]
        total += float(square.sum(dtype="f8"))
    np.copyto(out, total / count, casting="unsafe")
