"""What layers make of one picture: the maps of their channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.errors import error, printable
from cnndsl.graph.graph import Graph, rewrite
from cnndsl.view.layers import layer_named, name_of, telling_layers
from cnndsl.view.mosaic import in_rows, mosaic
from cnndsl.view.plots import GROUND, empty, plain, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[Any]
MOST, MOST_LAYERS = 24, 32
"""Maps of one layer, and layers in one picture."""


def activations(graph: Graph, weights: Any, image: Array, names: Sequence[str] = ()) -> dict[str, Array]:
    """Layer → its maps (H, W, C) on `image` (H, W, C), as prediction computes them; without names, of the telling layers.

    weights: name → array, or a file. Raises E203 for an unknown layer, E770 where one gives no maps.
    """
    from cnndsl.runtime.compile import compile

    wanted = {name: layer_named(graph, name) for name in names} or {name_of(graph, x): x for x in telling_layers(graph)}
    for name, value in wanted.items():
        if len(value.type.space) != 2:
            shape = "x".join(map(str, value.shape[1:]))
            raise error("E770", f"{name} gives no maps to draw: it is {shape}", help=_some(graph))
    if not wanted:
        raise error("E770", f"{printable(graph.name)} has no layer that gives maps")
    if len(wanted) > MOST_LAYERS:
        raise error("E770", f"{len(wanted)} layers are too many for one picture: {MOST_LAYERS} is the most")
    asked = rewrite(graph, lambda *_: None)
    by_place = {id(node): k for k, node in enumerate(graph.nodes)}
    given = {f"shown.{k}": value for k, value in enumerate(wanted.values())}  # no name of a file has a dot
    for key, value in given.items():
        asked.names[key] = asked.nodes[by_place[id(value.node)]].outputs[value.index]
    run = compile(asked, weights, outputs=tuple(given))
    found = run(image[None])
    each = [found] if len(given) == 1 else list(found.values()) if isinstance(found, Mapping) else list(found)
    return {name: np.asarray(x)[0] for name, x in zip(wanted, each, strict=True)}


def _some(graph: Graph) -> str:
    return f"these do: {', '.join(name_of(graph, x) for x in telling_layers(graph))}"


def scale_of(maps: Array) -> tuple[float, float]:
    """The least and the largest number that a colour stands for: from 0 where none is below it, else as far below as above."""
    high = float(np.abs(maps).max()) or 1.0
    return (0.0 if float(maps.min()) >= 0 else -high), high


def activations_picture(image: Array, maps: Mapping[str, Array], path: Path, title: str = "") -> None:
    """Write the picture (H, W, C) that went in, and the maps of each layer, to `path`."""
    count = len(maps) + 1
    wide = count if count <= 3 else 3 if count > 4 else 2
    high = -(-count // wide)
    figure = empty(4.2 * wide, 2.9 * high + 0.3)
    axes = figure.add_subplot(high, wide, 1)
    axes.imshow(visible(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    _bare(axes)
    axes.set_title(f"input  {'x'.join(map(str, image.shape))}", fontsize=9)
    for k, (name, x) in enumerate(maps.items(), 2):
        axes = figure.add_subplot(high, wide, k)
        low, top = scale_of(x)
        shown = min(x.shape[2], MOST)
        tiles = in_rows([x[:, :, c] for c in range(shown)], 1.4)
        drawn = axes.imshow(mosaic(tiles), cmap="RdBu_r" if low < 0 else "viridis", vmin=low, vmax=top, interpolation="nearest")
        _bare(axes)
        axes.set_facecolor(GROUND)
        size = "x".join(map(str, x.shape)) + (f", maps 1 to {shown}" if shown < x.shape[2] else "")
        axes.set_title(f"{plain(name, 28)}  {size}", fontsize=9)
        bar = figure.colorbar(drawn, cax=axes.inset_axes((1.02, 0.0, 0.03, 1.0)))
        bar.ax.tick_params(labelsize=7)
    if title:
        figure.suptitle(plain(title, 80))
    save(figure, path)


def visible(image: Array) -> Array:
    """A picture as a network takes it (H, W, C), as grey (H, W) or colours (H, W, 3) in [0, 1]: normalising is undone as far as
    the least and the largest number tell."""
    low, high = (0.0, 1.0) if image.min() >= 0 and image.max() <= 1 else (float(image.min()), float(image.max()))
    scaled = (image.astype(np.float64) - low) / ((high - low) or 1)
    return np.asarray(scaled if image.shape[2] == 3 else scaled.mean(axis=2))


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)
