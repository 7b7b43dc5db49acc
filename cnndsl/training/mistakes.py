"""The images that a trained network gets wrong, the surest of its mistakes first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.data.records import Dataset
from cnndsl.data.resample import floats
from cnndsl.errors import error
from cnndsl.training.evaluate import scored
from cnndsl.training.judged import Weights
from cnndsl.training.running import Running
from cnndsl.training.scores import softmax

if TYPE_CHECKING:
    from cnndsl.language.model import Model

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Mistake:
    """An image that was called another class than its own.

    name: its file, or its number in its part. picture: (H, W, C) in [0, 1], before `preprocess`. true, called: classes.
    probability: of the class it was called. own: of its true class.
    """

    name: str
    picture: Array
    true: str
    called: str
    probability: float
    own: float


@dataclass(frozen=True, slots=True)
class Mistakes:
    """worst: the mistakes that the network was surest of, the surest first. wrong: how many there are of `count` images."""

    worst: tuple[Mistake, ...]
    wrong: int
    count: int


def mistakes(
    model: Model,
    weights: Weights | Sequence[Weights],
    dataset: Dataset,
    running: Running = Running(),
    *,
    most: int = 16,
    recipe: str = "",
) -> Mistakes:
    """The `most` worst mistakes of `model` on what `dataset` holds back, or on all where that is nothing. recipe: the name of
    an `eval` of the file, as of `evaluate`.

    Raises what `evaluate` raises, and E705 where it is pixels that have classes.
    """
    found = scored(model, weights, dataset, running, recipe=recipe)
    if found.images.labels.ndim > 1:
        raise error("E705", f"mistakes are whole pictures called wrongly, and {model.name} gives classes of pixels")
    wrong: list[tuple[float, int, int, int, float]] = []
    count = 0
    for piece in found.pieces:
        shares = softmax(piece.scores.astype(np.float64)) if found.are_logits else piece.scores
        called = shares.argmax(axis=1)
        for i in np.flatnonzero(called != piece.truth):
            c, t = int(called[i]), int(piece.truth[i])
            wrong.append((float(shares[i, c]), int(piece.numbers[i]), c, t, float(shares[i, t])))
        count += len(piece.truth)
    if not count:
        raise error("E703", "there is no picture that can be read")
    worst = sorted(wrong, key=lambda x: (-x[0], x[1]))[:most]
    pictures = [found.images.take(np.array([index]))[0][0] for _, index, *_ in worst]
    names = found.labels
    return Mistakes(
        tuple(
            Mistake(found.images.name_of(index), floats(picture), names[t], names[c], sure, own)
            for (sure, index, c, t, own), picture in zip(worst, pictures, strict=True)
        ),
        len(wrong),
        count,
    )
