"""The filters of a convolution as pictures: the edges, bars and colours that a first layer comes to look for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.view.mosaic import in_rows, mosaic
from cnndsl.view.plots import GROUND, empty, plain, save

Array = NDArray[Any]
MOST = 256
"""Filters in one picture."""
MOST_DEEP, MOST_INPUTS = 32, 16
"""Filters, and input channels of each, where the channels are no colours."""


def filter_tiles(weight: Array) -> list[list[Array]]:
    """Rows of small pictures of a convolution's weight (kH, kW, C, F): (kH, kW) grey or (kH, kW, 3) colours, in [0, 1].

    Each filter is divided by its own largest weight: 0.5 is a weight of 0, 1 the largest above it, 0 as much below it. With
    one channel or three, a picture is a filter. Else a column is a filter, and a row an input channel. The first `MOST`, or
    `MOST_DEEP` and `MOST_INPUTS`, are there.
    """
    channels, count = weight.shape[2:]
    largest = np.abs(weight).max(axis=(0, 1, 2))
    tiles = 0.5 + 0.5 * weight.astype(np.float64) / np.where(largest > 0, largest, 1)
    if channels == 1:
        return in_rows([tiles[:, :, 0, f] for f in range(min(count, MOST))])
    if channels == 3:
        return in_rows([tiles[:, :, :, f] for f in range(min(count, MOST))])
    return [[tiles[:, :, c, f] for f in range(min(count, MOST_DEEP))] for c in range(min(channels, MOST_INPUTS))]


def filters_picture(weight: Array, path: Path, title: str = "") -> None:
    """Write the filters of `weight` (kH, kW, C, F) to `path`."""
    channels, count = weight.shape[2:]
    tiles = filter_tiles(weight)
    whole = mosaic(tiles)
    wide = min(9.0, max(3.6, 0.75 * len(tiles[0])))
    figure = empty(wide, min(9.0, wide * whole.shape[0] / whole.shape[1]) + 0.6)
    axes = figure.add_subplot()
    axes.imshow(whole, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_facecolor(GROUND)
    for side in axes.spines.values():
        side.set_visible(False)
    flat = channels in (1, 3)
    shown = sum(map(len, tiles)) if flat else len(tiles[0])
    what = f"{shown} of {count} filters" if shown < count else f"{count} filters"
    if flat:
        axes.set_xlabel(f"{what}; mid-grey is a weight of 0", fontsize=9)
    else:
        axes.set_xlabel(f"{what}, one a column; mid-grey is a weight of 0", fontsize=9)
        axes.set_ylabel(
            "input channels" if len(tiles) == channels else f"{len(tiles)} of {channels} input channels", fontsize=9
        )
    axes.set_title(plain(title, 80))
    save(figure, path)
