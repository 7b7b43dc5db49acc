"""Image steps that change colours: grey, invert, normalize. x (n, H, W, C) float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.data.draws import Draws
from cnndsl.data.resample import Pictures, arrayed
from cnndsl.errors import counted, error

Array = NDArray[Any]
Made = tuple[int, Callable[..., Array]]
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow and most libraries have it


def grey() -> Made:
    """One channel: 0.299 R + 0.587 G + 0.114 B. A grey picture stays."""

    def run(x: Array, draws: Draws) -> Array:
        return x if x.shape[3] == 1 else luma(x)[..., None]

    return 0, run


def luma(x: Array) -> Array:
    """(…, H, W) from (…, H, W, C): 0.299 R + 0.587 G + 0.114 B, or the one channel."""
    if x.shape[-1] == 1:
        return x[..., 0]
    red, green, blue = (np.float32(v) for v in LUMA)
    return np.asarray(red * x[..., 0] + green * x[..., 1] + blue * x[..., 2])


def invert(when: str = "always") -> Made:
    """1 − x. `auto`: only where the border is brighter than the middle of the range, as ink on paper is."""
    if when not in ("always", "auto"):
        raise error("E422", f"expected always or auto, but found {when}")

    def run(x: Array, draws: Draws) -> Array:
        return 1 - x if when == "always" else np.where(border(x)[:, None, None, None] > 0.5, 1 - x, x)

    return 0, run


def border(x: Array) -> Array:
    """(n,) the mean of each picture's outermost pixels."""
    edge = [x[:, 0], x[:, -1], x[:, 1:-1, 0], x[:, 1:-1, -1]]
    flat = np.concatenate([e.reshape(len(x), -1) for e in edge], axis=1)
    return np.asarray(flat.mean(axis=1))


def normalize(mean: Any, std: Any) -> Made:
    """(x − mean) / std, each a number or one for every channel."""
    means, stds = _numbers("mean", mean), _numbers("std", std)
    if not (stds > 0).all():
        raise error("E422", f"std is above 0, not {std}")

    def run(x: Pictures, draws: Draws, out: Array | None = None) -> Array:
        for name, v in (("mean", means), ("std", stds)):
            if len(v) not in (1, x.shape[3]):
                raise error(
                    "E706",
                    f"normalize has {counted(len(v), 'number')} for {name}, the pictures have {counted(x.shape[3], 'channel')}",
                    help=f"one number, or {x.shape[3]}" if x.shape[3] > 1 else "one number",
                )
        x = arrayed(x)
        out = np.empty(x.shape, np.float32) if out is None else out
        np.multiply(x, np.float32(1 / 255 if x.dtype == np.uint8 else 1), out=out, dtype=np.float32)
        rows = out.reshape(*x.shape[:2], -1)  # three numbers are too short for NumPy's fast loops
        for v, change in ((means, np.subtract), (stds, np.divide)):
            change(rows, v if len(v) == 1 else np.tile(v, x.shape[2]), out=rows)
        return out

    return 0, run


def _numbers(name: str, value: Any) -> Array:
    values = value if isinstance(value, tuple) else (value,)
    if not values or not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
        raise error("E422", f"{name} is a number, or a list with one for every channel, not {value}")
    return np.asarray(values, np.float32)
