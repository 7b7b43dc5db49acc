"""The loss around a network as a map with lines of equal loss, and as a landscape."""

from __future__ import annotations

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


def surface_picture(places: Array, losses: Array, path: Path, title: str = "") -> None:
    """Write losses[i, j] at (places[j], places[i]) to `path`. One of them at least is a finite number."""
    z = heights(losses)
    low, high = float(z.min()), float(z.max())
    levels = np.linspace(low, max(high, low + 1e-3), 13)
    figure = empty(9.6, 4.4)
    axes = figure.add_subplot(1, 2, 1)
    axes.contourf(places, places, z, levels=levels, cmap="viridis")
    if high > low:
        lines = axes.contour(places, places, z, levels=levels[::2], colors="white", linewidths=0.8, linestyles="solid")
        axes.clabel(lines, fmt=lambda x: f"{10**x:.2g}", fontsize=8)
    axes.plot([0], [0], marker="x", color="white", markersize=8, markeredgewidth=2)
    axes.set(xlabel="first direction", ylabel="second direction", title="loss")
    axes.set_aspect("equal")
    ticks = np.linspace(places[0], places[-1], 5)
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
    solid: Any = figure.add_subplot(1, 2, 2, projection="3d")
    x, y = np.meshgrid(places, places)
    solid.plot_surface(x, y, z.filled(high), cmap="viridis", linewidth=0, rcount=len(places), ccount=len(places))
    solid.zaxis.set_major_formatter(lambda v, _: f"{10**v:.2g}")
    solid.set_xticks(ticks)
    solid.set_yticks(ticks)
    solid.tick_params(labelsize=7)
    solid.view_init(elev=32, azim=-58)
    solid.set_title("the same as a landscape")
    if title:
        figure.suptitle(plain(title, 80))
    save(figure, path)
