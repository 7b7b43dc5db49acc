"""Batches made ready ahead of the step: threads read pictures, augment and preprocess them into waiting arrays.

Every number of a batch is a function of seed, epoch and the picture's number in its data set: any number of workers
gives the same bits. Threads suffice, since reading, resizing and arithmetic on pictures leave Python's lock alone; so
nothing is copied between processes, and no worker can die by itself.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.data import pipeline
from cnndsl.data.draws import Draws
from cnndsl.data.records import Part
from cnndsl.data.resample import floats
from cnndsl.errors import CnnError, error
from cnndsl.runtime.machine import cores

Array = NDArray[Any]
AHEAD = 2
"""Batches being made ready while one is in use."""
MOST_WORKERS = 16
PIECE = 64
"""Images of an array that one worker takes: below that, handing them out costs more than it gains."""
ON_BAD_IMAGE = ("stop", "skip")
BAD = ("E703", "E704", "E706")
"""What can be wrong with one picture of a file: it cannot be read, is too large, or does not fit the model."""


def worker_count(asked: int | None) -> int:
    """How many threads: as many as asked for, else one for each core."""
    return max(1, asked) if asked is not None else min(cores()[0], MOST_WORKERS)


def skips(on_bad_image: str) -> bool:
    """Whether pictures that cannot be read or do not fit are left out. Raises E770 for another word than `stop` and `skip`."""
    if on_bad_image not in ON_BAD_IMAGE:
        raise error("E770", f"--on-bad-image is {' or '.join(ON_BAD_IMAGE)}, not {on_bad_image}")
    return on_bad_image == "skip"


class Reader:
    """A pool of threads that brings pictures of a part of a data set through a pipeline.

    shape: (H, W, C) of the model's input; grey pictures are repeated over three channels before the first step.
    on_bad_image: `stop` raises E703, E704 or E706 for the first picture that cannot be read or does not fit; `skip` leaves
    those of files out. skipped: path → why, of those left out so far. A context manager.
    """

    def __init__(
        self, steps: Sequence[pipeline.Step], shape: Sequence[int], workers: int | None, on_bad_image: str = "stop",
        skipped: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.steps, self.shape, self.workers = tuple(steps), tuple(shape), worker_count(workers)
        self.skips = skips(on_bad_image)
        self.skipped: dict[str, str] = {} if skipped is None else skipped
        self.pool = ThreadPoolExecutor(self.workers, "pictures")

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *failed: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.pool.shutdown(cancel_futures=True)

    def begin(self, part: Part, samples: Array, seed: int = 0, epoch: int = 0, out: Array | None = None) -> Filling:
        """Start on the pictures `samples` of `part`, into `out` (n, H, W, C) float32 where it is given."""
        found = np.empty((len(samples), *self.shape), np.float32) if out is None else out
        filling = Filling(self, part, samples, seed, epoch, found)
        share = len(samples) / self.workers
        size = max(PIECE, math.ceil(share)) if isinstance(part.images, np.ndarray) else max(1, min(8, int(share) // 4))
        for first in range(0, len(samples), size):
            try:
                filling.futures.append(self.pool.submit(filling.fill, first, min(first + size, len(samples))))
            except RuntimeError as e:  # "can't start new thread"
                raise error("E723", f"no thread to read pictures: {e}", help="--workers 1 needs one only") from None
        return filling


class Filling:
    """Pictures on their way into an array. After `wait`: labels, and beside them what else the data give, mirrored as the
    pictures are."""

    def __init__(self, reader: Reader, part: Part, samples: Array, seed: int, epoch: int, images: Array) -> None:
        self.reader, self.part, self.samples, self.images = reader, part, samples, images
        self.labels: Array = np.empty(0, part.labels.dtype)
        self.beside: dict[str, Array] = {}
        self.futures: list[Future[None]] = []
        self.bad: dict[int, CnnError] = {}
        self._draw: Callable[[], list[Draws]] = lambda: pipeline.drawing(reader.steps, seed, epoch, samples)
        self._draws: list[Draws] | None = None
        self._lock = threading.Lock()

    def draws(self) -> list[Draws]:
        """What the pictures draw, for all of them at once, by whichever thread comes first."""
        with self._lock:
            if self._draws is None:
                self._draws = self._draw()
            return self._draws

    def fill(self, first: int, last: int) -> None:
        """The pictures from `first` to before `last`: those of an array together, those of files one by one."""
        if isinstance(self.part.images, np.ndarray):
            self._put(first, last, self.part.images[self.samples[first:last]])
            return
        for i in range(first, last):
            try:
                self._put(i, i + 1, self.part.images.decoded(self.samples[i : i + 1]))
            except CnnError as e:
                found = of_picture(e, self.part.name_of(int(self.samples[i])))
                if not self.reader.skips or e.code not in BAD:
                    raise with_help(found) from None
                self.bad[i] = found

    def _put(self, first: int, last: int, pictures: pipeline.Pictures) -> None:
        place = self.images[first:last]
        given = pipeline.coloured(pictures, self.reader.shape)
        made = pipeline.through(self.reader.steps, given, [d.only(first, last) for d in self.draws()], place)
        if made is not place:
            place[:] = pipeline.fitted(made, self.reader.shape)

    def _flipped(self, x: Array) -> Array:
        """What stands beside the pictures, mirrored as they are: no other step that moves pixels may stand there."""
        for step, own in zip(self.reader.steps, self.draws(), strict=True):
            if x.ndim == 4 and step.moves_beside:
                x = np.asarray(step.run(x, own))
        return x

    def wait(self) -> Array:
        """Whether each picture is there, once all are done; `labels` and `beside` are then made, anew each time.

        Raises what a worker raised, of the first picture first.
        """
        for future in self.futures:
            try:
                future.result()
            except MemoryError:
                raise error(
                    "E723", "there is not enough memory to prepare the pictures", help="--workers 1, or a smaller batch"
                ) from None
            except OSError as e:
                raise error("E703", f"pictures cannot be read: the system says {e.strerror or e}") from None
        given = self.part.labels[self.samples]
        self.labels = self._flipped(given[..., None])[..., 0] if given.ndim > 1 else given
        self.beside = {name: floats(self._flipped(x[self.samples])) for name, x in self.part.beside.items()}
        there = np.ones(len(self.samples), bool)
        for i in sorted(self.bad):
            there[i] = False
            self.reader.skipped.setdefault(self.part.name_of(int(self.samples[i])), self.bad[i].diagnostics[0].message)
        return there


def of_picture(e: CnnError, name: str) -> CnnError:
    """The error with the name of the picture that it is about."""
    return CnnError(d if name in d.message else replace(d, message=f"{name}: {d.message}") for d in e.diagnostics)


def with_help(e: CnnError) -> CnnError:
    """The error of one picture of a file, with what can be done about it: E706 has a mend of its own before."""
    if e.code not in BAD:
        return e
    skip = "--on-bad-image skip goes on without it"
    both = [
        d if d.help and e.code != "E706" else replace(d, help=f"{d.help}; {skip}" if d.help else skip) for d in e.diagnostics
    ]
    return CnnError(both)


@dataclass(frozen=True)
class Plan:
    """What a training takes when. order: epoch → the numbers of the pictures in the order of that epoch."""

    part: Part
    batch: int
    per_epoch: int
    steps: int
    seed: int
    order: Callable[[int], Array]


class Loader:
    """The batches of a training, step by step, `AHEAD` of them made ready beforehand.

    A picture that is skipped leaves its place to the next one of its batch that is there, so that a batch keeps its
    size and every other picture its place and numbers.
    """

    def __init__(self, reader: Reader, plan: Plan) -> None:
        self.reader, self.plan = reader, plan
        self._under_way: dict[int, Filling] = {}
        self._orders: Mapping[int, Array] = {}
        self._free = [np.empty((plan.batch, *reader.shape), np.float32) for _ in range(AHEAD + 1)]
        self._used: Array | None = None
        self.beside: Mapping[str, Array] = {}

    def take(self, step: int) -> tuple[Array, Array]:
        """Images (batch, H, W, C) and labels (batch,) of that step, counted from 0; `beside`: what else the data give of
        them. They hold until the next call."""
        if self._used is not None:
            self._free.append(self._used)
        for s in range(step, min(step + AHEAD + 1, self.plan.steps)):
            if s not in self._under_way:
                self._under_way[s] = self.reader.begin(
                    self.plan.part, self._samples(s), self.plan.seed, s // self.plan.per_epoch, self._free.pop()
                )
        filling = self._under_way.pop(step)
        self._used = filling.images
        there = filling.wait()
        if not there.all():
            _replace(filling, there)
        self.beside = filling.beside
        return filling.images, filling.labels

    def _samples(self, step: int) -> Array:
        epoch, index = divmod(step, self.plan.per_epoch)
        if epoch not in self._orders:
            self._orders = {e: o for e, o in self._orders.items() if e == epoch - 1} | {epoch: self.plan.order(epoch)}
        return self._orders[epoch][index * self.plan.batch : (index + 1) * self.plan.batch]


def _replace(filling: Filling, there: Array) -> None:
    good = np.flatnonzero(there)
    if not len(good):
        raise first_refused(filling)
    for i in np.flatnonzero(~there):
        other = good[np.searchsorted(good, i) % len(good)]
        for x in (filling.images, filling.labels, *filling.beside.values()):
            x[i] = x[other]


def first_refused(filling: Filling) -> CnnError:
    """Why the first picture is missing of a batch that has none."""
    (d, *_) = filling.bad[min(filling.bad)].diagnostics
    what = "fits" if d.code == "E706" else "can be read"
    return CnnError(replace(d, message=f"no picture of a batch {what}: {d.message}"))
