"""The receptive field of a layer's middle value, drawn on the input: what of a picture one number has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.errors import error, printable
from cnndsl.graph.graph import Graph, Value
from cnndsl.view.layers import layer_named, name_of, spread, telling_layers
from cnndsl.view.maps import visible
from cnndsl.view.plots import GROUND, empty, plain, save
from cnndsl.view.receptive import seen

Array = NDArray[Any]
MOST, MOST_NAMED = 5, 10
"""Layers in one picture: of those that nobody named, and of those that somebody did."""


@dataclass(frozen=True, slots=True)
class Field:
    """Rows `top` to `top + height` and columns `left` to `left + width` of the input, padding counted (below 0, beyond the
    picture). place: the row and column of the value that sees them, None where it has no place. size: of the layer's maps."""

    layer: str
    top: int
    left: int
    height: int
    width: int
    place: tuple[int, int] | None
    size: tuple[int, ...]


def fields(graph: Graph, names: Sequence[str] = ()) -> list[Field]:
    """The fields of the middle values of those layers; without names, of a few layers from first to last.

    Raises E203 for an unknown layer, E770 where no number says what it sees.
    """
    known = seen(graph)
    values = {name: layer_named(graph, name) for name in names} or {
        name_of(graph, x): x for x in spread(telling_layers(graph, 1000), MOST)
    }
    if not values:
        raise error("E770", f"{printable(graph.name)} has no layer over two axes")
    if len(values) > MOST_NAMED:
        raise error("E770", f"{len(values)} layers are too many for one picture: {MOST_NAMED} colours can be told apart")
    return [_field(name, value, known) for name, value in values.items()]


def _field(name: str, value: Value, known: Any) -> Field:
    found = known.get(value)
    if found is None or len(found.size) != 2 or not all(isinstance(s, int) for s in found.size) or None in found.start:
        raise error("E770", f"of {name} no numbers say what it sees of the input")
    space = [n for n in value.type.space if isinstance(n, int)]
    middle = (space[0] // 2, space[1] // 2) if len(space) == 2 and all(found.step) else None
    first = [floor(s + j * i) for s, j, i in zip(found.start, found.step, middle or (0, 0), strict=True)]
    return Field(name, first[0], first[1], found.size[0], found.size[1], middle, tuple(value.shape[1:]))


def field_picture(shape: Sequence[int], image: Array | None, found: Sequence[Field], path: Path, title: str = "") -> None:
    """Write `image` (H, W, C), or an empty input of `shape` (H, W, C), with the fields as frames, to `path`."""
    figure = empty(7.8, 5.0)
    axes = figure.add_subplot()
    high, wide = shape[:2]
    drawn = np.ones((high, wide)) if image is None else visible(image)
    axes.imshow(drawn, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_facecolor(GROUND)
    handles, labels = [], []
    for k, x in enumerate(sorted(found, key=lambda x: -x.height * x.width)):
        left, top = x.left - 0.5, x.top - 0.5
        right, bottom = left + x.width, top + x.height
        (frame,) = axes.plot([left, right, right, left, left], [top, top, bottom, bottom, top], color=f"C{k}", lw=2.2)
        handles.append(frame)
        size = "x".join(map(str, x.size))
        at = "" if x.place is None else f" at {x.place[0]}, {x.place[1]}"
        labels.append(f"{plain(x.layer, 30)}\n{x.height}x{x.width}{at} of {size}")
    around = [(-0.5, high - 0.5, -0.5, wide - 0.5)] + [
        (x.top - 0.5, x.top + x.height - 0.5, x.left - 0.5, x.left + x.width - 0.5) for x in found
    ]
    edge = 0.02 * max(high, wide)
    axes.set_xlim(floor(min(a[2] for a in around)) - edge, ceil(max(a[3] for a in around)) + edge)
    axes.set_ylim(ceil(max(a[1] for a in around)) + edge, floor(min(a[0] for a in around)) - edge)
    axes.set_aspect("equal")
    axes.tick_params(labelsize=8)
    axes.set(xlabel="column of the input", ylabel="row of the input")
    axes.legend(
        handles, labels, loc="upper left", bbox_to_anchor=(1.02, 1.0), borderaxespad=0, frameon=False, fontsize=9,
        title="the middle value sees", alignment="left",
    )  # fmt: skip
    if title:
        figure.suptitle(plain(title, 80))
    save(figure, path)
