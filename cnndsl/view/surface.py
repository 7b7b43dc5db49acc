"""The loss around a network as a map with lines of equal loss, and as a landscape."""

from __future__ import annotations

from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.view.plots import empty, plain, save

Array = NDArray[Any]
LEAST = 1e-6
"""Losses below it are drawn as it: the heights are powers of ten."""


def heights(losses: Array) -> Any:
    """log₁₀ of the losses, those that are no finite numbers masked."""
    return np.ma.log10(np.ma.masked_invalid(losses).clip(LEAST))


def levels(low: float, high: float) -> tuple[Array, Array]:
    """Heights at which the colour changes, and those of lines: whole powers of ten where these are enough."""
    if high - low < 3:
        even = np.linspace(low, high, 13)
        return even, even[::2]
    step = ceil((high - low) / 8)
    every = np.arange(ceil(low / step), floor(high / step) + 1) * step
    between = np.arange(floor(2 * low / step), ceil(2 * high / step) + 1) * step / 2
    return between, every


def loss(height: float) -> str:
    """A loss whose log₁₀ is `height`: 0.01, 100, 10⁴."""
    power = round(height)
    return rf"$10^{{{power}}}$" if abs(height - power) < 1e-6 and not -2 <= power < 4 else f"{10**height:.3g}"


def surface_picture(places: Array, losses: Array, path: Path, title: str = "") -> None:
    """Write losses[i, j] at (places[j], places[i]) to `path`. One of them at least is a finite number."""
    z = heights(losses)
    low, high = float(z.min()), float(z.max())
    colours, every = levels(low, max(high, low + 1e-3))
    figure = empty(9.6, 4.4)
    axes = figure.add_subplot(1, 2, 1)
    axes.contourf(places, places, z, levels=colours, cmap="viridis")
    if high > low:
        lines = axes.contour(places, places, z, levels=every, colors="white", linewidths=0.8, linestyles="solid")
        axes.clabel(lines, fmt=loss, fontsize=8)
    axes.plot([0], [0], marker="x", color="white", markersize=8, markeredgewidth=2)
    axes.set(xlabel="first direction", ylabel="second direction", title="loss")
    axes.set_aspect("equal")
    ticks = np.linspace(places[0], places[-1], 5)
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
    solid: Any = figure.add_subplot(1, 2, 2, projection="3d")
    x, y = np.meshgrid(places, places)
    solid.plot_surface(x, y, z.filled(high), cmap="viridis", linewidth=0, rcount=len(places), ccount=len(places))
    solid.zaxis.set_major_formatter(lambda v, _: loss(v))
    solid.set_xticks(ticks)
    solid.set_yticks(ticks)
    solid.tick_params(labelsize=7)
    solid.view_init(elev=32, azim=-58)
    solid.set_title("the same as a landscape")
    if title:
        figure.suptitle(plain(title, 80))
    save(figure, path)
