"""Softmax and the losses."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


TILE = 12288  # numbers in one tile: below 64 KB, so that no large array is allocated


def row_blocks(x: Array) -> list[slice]:
    """Ranges of the rows of a matrix, a tile each."""
    step = max(1, TILE // x.shape[1])
    return [slice(i, i + step) for i in range(0, len(x), step)]


def softmax(x: Array, out: Array) -> None:
    """out = exp(x − max) / Σ exp(x − max) over the last axis."""
    x, y = x.reshape(-1, x.shape[-1]), out.reshape(-1, out.shape[-1])
    for part in row_blocks(x):
        np.subtract(x[part], x[part].max(axis=1, keepdims=True), out=y[part])
        np.exp(y[part], out=y[part])
        y[part] /= y[part].sum(axis=1, keepdims=True)


def log_softmax(x: Array, out: Array) -> None:
    """out = x − max − log Σ exp(x − max) over the last axis."""
    x, y = x.reshape(-1, x.shape[-1]), out.reshape(-1, out.shape[-1])
    for part in row_blocks(x):
        np.subtract(x[part], x[part].max(axis=1, keepdims=True), out=y[part])
        y[part] -= np.log(np.exp(y[part]).sum(axis=1, keepdims=True))


def cross_entropy(logits: Array, label: Array, out: Array, *, label_smoothing: float, count: int) -> None:
    """out = −Σ over positions of Σ_c q_c log softmax(logits)_c, over count; q: (1 − ε) at the label, ε / C everywhere.

    logits (…, C) float32; label (…) int32; out: a scalar.
    """
    classes = logits.shape[-1]
    x, at = logits.reshape(-1, classes), label.reshape(-1)
    total = 0.0
    for part in row_blocks(x):
        shifted = x[part] - x[part].max(axis=1, keepdims=True)
        norm = np.log(np.exp(shifted).sum(axis=1, dtype="f8"))
        chosen = np.take_along_axis(shifted, at[part, None].astype("i8"), axis=1)[:, 0]
        loss = norm - (1.0 - label_smoothing) * chosen
        if label_smoothing:
            loss -= label_smoothing / classes * shifted.sum(axis=1, dtype="f8")
        total += float(loss.sum())
    np.copyto(out, total / count, casting="unsafe")


def cross_entropy_grad(logits: Array, label: Array, g: Array, out: Array, *, label_smoothing: float, count: int) -> None:
    """out = g / count · (softmax(logits) − q), with q as in `cross_entropy`."""
    classes = logits.shape[-1]
    softmax(logits, out)
    y, at = out.reshape(-1, classes), label.reshape(-1)
    if label_smoothing:
        y -= label_smoothing / classes
    y[np.arange(len(y)), at] -= 1.0 - label_smoothing
    y *= g / count


def mse(output: Array, target: Array, mask: Array | None, out: Array, *, count: int) -> None:
    """out = Σ mask · (output − target)² / count, a scalar. mask: of output's shape, with one channel, or none."""
    c = output.shape[-1]
    x, t = output.reshape(-1, c), target.reshape(-1, c)
    m = None if mask is None else mask.reshape(len(x), -1)
    total = 0.0
    for part in row_blocks(x):
        square = x[part] - t[part]
        square *= square
        if m is not None:
            square *= m[part]
        total += float(square.sum(dtype="f8"))
    np.copyto(out, total / count, casting="unsafe")
