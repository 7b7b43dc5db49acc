"""Evaluation over the views of each picture: crops, sizes, mirror images; whole pictures by dense layers as convolutions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.data import pipeline
from cnndsl.data.folder import PictureFiles
from cnndsl.data.loader import BAD, of_picture, with_help, worker_count
from cnndsl.data.records import Part
from cnndsl.data.views import Views
from cnndsl.errors import CnnError
from cnndsl.passes.fully_convolutional import fully_convolutional
from cnndsl.training.running import Running
from cnndsl.training.scores import last, softmax

if TYPE_CHECKING:
    from cnndsl.language.model import Model

Array = NDArray[Any]
AHEAD = 2
"""Pictures whose views are made while one is in use: a picture may have hundreds."""
KEPT = 8
"""Networks kept compiled, each for one size of picture."""


class Network:
    """A model on views: compiled once for its own size or, where it runs on whole pictures, for each size that comes."""

    def __init__(
        self, model: Model, weights: Any, shape: Sequence[int], scores: str, whole: bool, batch: int, running: Running
    ) -> None:
        self.model, self.weights, self.shape, self.whole = model, weights, tuple(shape), whole
        self.batch = batch
        self.how: dict[str, Any] = {
            "target": running.target, "threads": running.threads, "outputs": (scores,) if scores else (),
        }  # fmt: skip
        self._made: dict[tuple[int, ...], Any] = {}

    def __call__(self, views: Sequence[Array]) -> Array:
        """(views, classes): what each view gives, in the order of `views`, which are (h, w, C) of any sizes."""
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for i, x in enumerate(views):
            by_shape.setdefault(x.shape, []).append(i)
        found: list[Any] = [None] * len(views)
        for shape, numbers in by_shape.items():
            wanted = (*shape[:2], self.shape[2]) if self.whole else self.shape
            images = pipeline.fitted(np.stack([views[i] for i in numbers]), wanted)
            scores = np.asarray(last(self._compiled(wanted, len(numbers))(images)))
            for i, row in zip(numbers, scores.reshape(len(numbers), -1), strict=True):
                found[i] = row
        return np.stack(found)

    def _compiled(self, shape: tuple[int, ...], views: int) -> Any:
        """For pictures of that shape, so many at a time as one has views, `batch` at most."""
        from cnndsl.runtime.compile import compile

        key = (*shape, min(views, self.batch))
        if key not in self._made:
            if len(self._made) == KEPT:
                self._made.pop(next(iter(self._made)))
            net: Any = self.model
            if self.whole:
                net = fully_convolutional(self.model.graph, *shape[:2])
            self._made[key] = compile(net, self.weights, batch=key[-1], **self.how)
        return self._made[key]


def scores(
    networks: Sequence[Network], views: Views, part: Part, are_logits: bool, reduce: str, workers: int | None,
    skipped: dict[str, str] | None = None,
) -> Iterator[tuple[int, Array]]:  # fmt: skip
    """(number of the picture, its probabilities (classes,) in float64), in order. reduce: `mean` or `max` over the views.
    Of several networks the mean is taken. skipped: takes the names of pictures that cannot be read, and why.

    Raises E703, E704, E706 where a picture cannot be read or its views do not fit the network; with `skipped` E706 where no
    picture's do.
    """
    over: Callable[..., Any] = np.max if reduce == "max" else np.mean
    some, misfit = False, None
    with ThreadPoolExecutor(worker_count(workers), "views") as pool:
        waiting: list[Future[list[Array]]] = []
        for i in range(len(part) + AHEAD):
            if i < len(part):
                waiting.append(pool.submit(_views, views, part, i, networks[0].shape))
            if i >= AHEAD:
                try:
                    seen = waiting.pop(0).result()
                    found = [network(seen).astype(np.float64) for network in networks]
                except CnnError as e:
                    name = part.name_of(i - AHEAD)
                    files = isinstance(part.images, PictureFiles)
                    e = of_picture(e, name) if e.code in BAD else e
                    if skipped is None or e.code not in BAD or not files:
                        raise with_help(e) if files else e from None
                    skipped[name] = e.diagnostics[0].message
                    misfit = e if e.code == "E706" else misfit
                    continue
                some = True
                each = [over(softmax(x) if are_logits else x, axis=0) for x in found]
                yield i - AHEAD, np.asarray(np.mean(each, axis=0))
    if not some and misfit is not None:  # a mistake of the file, not of the pictures
        raise misfit


def _views(views: Views, part: Part, index: int, shape: Sequence[int]) -> list[Array]:
    pictures, _ = part.take(np.array([index]))
    return views.of(np.asarray(pipeline.coloured([np.asarray(pictures[0])], shape)[0]))
