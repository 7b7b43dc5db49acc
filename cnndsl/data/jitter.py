"""Image steps that draw colours anew: color_jitter, pca_jitter. x (n, H, W, C), uint8 or float32 in [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.data.colour import luma
from cnndsl.data.draws import Draws, drawn, span_of
from cnndsl.data.resample import Pictures, arrayed
from cnndsl.errors import error

Array = NDArray[Any]
Made = tuple[int, Callable[[Any, Draws], Array]]
ORDERS = tuple(permutations(range(4)))

# Principal components of the colours of ImageNet's training pictures in [0, 1], as fb.resnet.torch has them.
STANDARD_DEVIATIONS = (0.2175, 0.0188, 0.0045)
COMPONENTS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))  # rows R, G, B


def color_jitter(brightness: Any = 0.4, contrast: Any = 0.4, saturation: Any = 0.4, hue: Any = 0) -> Made:
    """Brightness, contrast, saturation and hue by drawn factors, in a drawn order, each cut to 0..1.

    A number n means a factor from max(0, 1 − n) to 1 + n, for `hue` −n..n of a full turn. Brightness: f · x.
    Contrast: f · x + (1 − f) · the mean of the grey picture. Saturation: f · x + (1 − f) · the grey picture. Hue: H + f
    in HSV. The defaults are those of fb.resnet.torch, the formulas torchvision's. Grey pictures have no saturation or hue.
    """
    factors = [
        _factors(name, v) for name, v in (("brightness", brightness), ("contrast", contrast), ("saturation", saturation))
    ]
    turns = span_of(hue, symmetric=True)
    if max(map(abs, turns)) > 0.5:
        raise error("E422", f"hue turns by up to 0.5, half the circle, not {hue}")
    bounds = (*factors, turns)
    still = (*(b == (1.0, 1.0) for b in factors), turns == (0.0, 0.0))

    def run(x: Pictures, draws: Draws) -> Array:
        _colours("color_jitter", x.shape, (1, 3))
        x, u = arrayed(x), draws.uniform()
        unit = np.float32(1 / 255 if x.dtype == np.uint8 else 1)
        out = np.empty(x.shape, np.float32)
        amounts = [drawn(u[:, i], b) for i, b in enumerate(bounds)]
        planes = np.empty((x.shape[3], *x.shape[1:3]), np.float32)
        for i, picture in enumerate(x):
            np.multiply(picture.transpose(2, 0, 1), unit, out=planes, dtype=np.float32)
            for what in ORDERS[int(u[i, 4] * len(ORDERS))]:
                if not still[what]:
                    CHANGES[what](planes, np.float32(amounts[what][i]))
            out[i] = planes.transpose(1, 2, 0)
        return out

    return 5, run


def _factors(name: str, value: Any) -> tuple[float, float]:
    low, high = span_of(value)
    if low < 0:
        raise error("E422", f"{name} is from 0 up, not {value}")
    return (low, high) if hasattr(value, "low") else (max(0.0, 1 - low), 1 + high)


def _grey(x: Array) -> Array:
    return luma(x.transpose(1, 2, 0))


def _brighten(x: Array, f: np.float32) -> None:
    """In place, as the others: x (C, H, W), planes, of which NumPy makes long loops."""
    x *= f
    np.clip(x, 0, 1, out=x)


def _contrast(x: Array, f: np.float32) -> None:
    middle = np.float32(_grey(x).mean(dtype=np.float64))
    x *= f
    x += (1 - f) * middle
    np.clip(x, 0, 1, out=x)


def _saturate(x: Array, f: np.float32) -> None:
    if len(x) == 3:
        grey = _grey(x)
        grey *= 1 - f
        x *= f
        x += grey
        np.clip(x, 0, 1, out=x)


def _turn(x: Array, f: np.float32) -> None:
    """Hue: with top and bottom the largest and smallest of R, G, B, each becomes top − (top − bottom) · a trapezium of
    its distance to the new hue (A. R. Smith, "Color Gamut Transform Pairs", 1978).
    """
    if len(x) != 3:
        return
    r, g, b = x
    top, bottom = x.max(axis=0), x.min(axis=0)
    range_ = top - bottom
    safe = np.where(range_ > 0, range_, np.float32(1))
    # In sixths of the circle, from red.
    sixths = np.where(top == r, (g - b) / safe, np.where(top == g, 2 + (b - r) / safe, 4 + (r - g) / safe))
    sixths += 6 * f
    for c, n in enumerate((5, 3, 1)):
        k = np.mod(n + sixths, np.float32(6))
        x[c] = top - range_ * np.clip(np.minimum(k, 4 - k), 0, 1)


CHANGES = (_brighten, _contrast, _saturate, _turn)


def pca_jitter(strength: Any = 0.1) -> Made:
    """Along the principal components of the colours of ImageNet: to every pixel is added Σ pₖ αₖ λₖ, where αₖ is normal
    with standard deviation `strength`, drawn for each picture. Krizhevsky, Sutskever, Hinton, "ImageNet Classification
    with Deep Convolutional Neural Networks", 2012. What leaves 0..1 stays outside.
    """
    if isinstance(strength, bool) or not isinstance(strength, (int, float)) or strength < 0:
        raise error("E422", f"strength is a number from 0, not {strength}")
    along = np.asarray(COMPONENTS) * np.asarray(STANDARD_DEVIATIONS) * strength

    def run(x: Array, draws: Draws) -> Array:
        _colours("pca_jitter", x.shape, (3,))
        u = draws.uniform()
        # Box and Muller: two numbers for each pair.
        radius, angle = np.sqrt(-2 * np.log(1 - u[:, 0::2])), 2 * math.pi * u[:, 1::2]
        normal = np.stack([radius[:, 0] * np.cos(angle[:, 0]), radius[:, 0] * np.sin(angle[:, 0]),
                           radius[:, 1] * np.cos(angle[:, 1])], axis=1)  # fmt: skip
        added = (normal[:, None, :] * along).sum(axis=2)
        return x + added.astype(np.float32)[:, None, None, :]

    return 4, run


def _colours(what: str, shape: tuple[int, ...], known: tuple[int, ...]) -> None:
    if shape[3] not in known:
        wanted = " or ".join(map(str, known))
        raise error("E706", f"{what} changes pictures of {wanted} channels, these have {shape[3]}")
