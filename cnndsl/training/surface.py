"""The loss around a trained network, along two random directions as large as its filters.

θ + a·d₁ + b·d₂, where each filter of a direction is drawn at random and then given the norm of the same filter of θ, so that
networks whose scales differ can be compared; biases, norms and running statistics stay as they are. Li, Xu, Taylor, Studer,
Goldstein, "Visualizing the Loss Landscape of Neural Nets", 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.data import pipeline
from cnndsl.data.channels import check_dataset
from cnndsl.data.loader import Reader
from cnndsl.data.records import Dataset, check_some
from cnndsl.errors import error
from cnndsl.random import normal, stream_of
from cnndsl.training.classes import fitted_data
from cnndsl.training.scores import input_shape, last, losses, scores_of

if TYPE_CHECKING:
    from cnndsl.graph.graph import Graph
    from cnndsl.language.model import Model

Array = NDArray[Any]


@dataclass(frozen=True)
class Surface:
    """places: (points,), how far along a direction. losses: (points, points), losses[i, j] at places[i]·d₂ + places[j]·d₁;
    NaN where a score is no finite number. images: over how many the mean was taken."""

    places: Array
    losses: Array
    images: int


def direction(graph: Graph, weights: Mapping[str, Array], number: int, seed: int = 0) -> dict[str, Array]:
    """Weight → what is added at distance 1, for each weight of two axes or more: its filters have the norms of the weight's."""
    transposed = {node.operands[1].node.attrs.name for node in graph.nodes if node.op.name == "conv_transpose"}
    found = {}
    for name, state in graph.state.items():
        weight = weights.get(name)
        if weight is None or state.kind != "parameter" or weight.ndim < 2:
            continue
        drawn = normal(np, seed, 0, stream_of(f"{name}: direction {number}"), weight.size).reshape(weight.shape)
        filters = weight.ndim - (2 if name in transposed else 1)
        axes = tuple(k for k in range(weight.ndim) if k != filters)
        norm = np.sqrt((weight.astype(np.float64) ** 2).sum(axis=axes, keepdims=True))
        found[name] = drawn * norm / np.sqrt((drawn**2).sum(axis=axes, keepdims=True))
    return found


def surface(
    model: Model,
    weights: str | Path,
    dataset: Dataset,
    *,
    points: int = 21,
    reach: float = 1.0,
    images: int = 512,
    seed: int = 0,
    target: str = "numpy",
    threads: int | None = None,
    on_row: Callable[[int], None] | None = None,
) -> Surface:
    """The mean cross entropy over `images` pictures of the training part, evenly taken, on points × points places from −reach
    to reach. An odd number of points has the network itself in the middle.

    on_row: told the number of each row when it is done. Raises E705 where there is no picture or labels do not fit, E706 where
    pictures do not, E707 where no loss is a finite number.
    """
    from cnndsl.runtime.compile import compile
    from cnndsl.runtime.notes import read_notes
    from cnndsl.runtime.safetensors import read_weights

    scores, are_logits = scores_of(model)
    data = fitted_data(model, scores, dataset, read_notes(weights).classes)
    shape = input_shape(model)
    check_dataset(data, shape)
    check_some(data.train, data.name, "to train on")
    chosen = np.unique(np.linspace(0, len(data.train) - 1, min(images, len(data.train))).round().astype(np.int64))
    run = compile(
        model, weights, target=target, threads=threads, batch=min(64, len(chosen)), outputs=(scores,) if scores else ()
    )
    with Reader(pipeline.preprocessing(model.preprocess), shape, threads) as reader:
        filling = reader.begin(data.train, chosen)
        filling.wait()
    own = read_weights(weights)
    across, along = (direction(model.graph, own, k, seed) for k in (1, 2))
    places = np.linspace(-reach, reach, points)
    found = np.full((points, points), np.nan)
    for i, b in enumerate(places):
        for j, a in enumerate(places):
            moved = {n: (own[n] + a * across[n] + b * along[n]).astype(np.float32) for n in across}
            given = np.asarray(last(run.load({**own, **moved})(filling.images))).reshape(len(chosen), -1)
            if np.isfinite(given).all():
                found[i, j] = float(losses(given, filling.labels, are_logits).mean())
        if on_row is not None:
            on_row(i)
    if not np.isfinite(found).any():
        raise error("E707", f"{model.name} gives no finite number at any place")
    return Surface(places, found, len(chosen))
