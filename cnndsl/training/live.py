"""The curves of a run, kept up to date while it runs: log.csv, steps.csv, loss.png, loss.svg, each replaced whole.

Tables cost a millisecond: they are written after each epoch, and now and then within a long one. Pictures cost some
tenths of a second, the first more, since matplotlib is imported for it: they are drawn where all drawing together stays
a small share of the run's time, and at the end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path

from cnndsl.errors import CnnError
from cnndsl.runtime.heap import give_back_freed_memory
from cnndsl.training import checkpoint, curves
from cnndsl.training.checkpoint import Position
from cnndsl.training.records import OnEvent, Row, Stretch

STRETCHES = 500
"""Rows of steps.csv, at most, of a run that is not made longer afterwards."""
SHARE = 0.02
"""Of a run's time, for pictures."""
FIRST = 1.5
"""Seconds that the first picture takes, before it is known."""
PAUSE = 10.0
"""Seconds between what is written within an epoch."""
PICTURES = ("loss.png", "loss.svg")


class Live:
    """The files of one run. title: above the picture. steps: of the whole run; per_epoch: of an epoch. at: where it
    begins or goes on. tell: called with each `Stretch`."""

    def __init__(self, run_dir: Path, title: str, steps: int, per_epoch: int, at: Position, tell: OnEvent) -> None:
        self.run_dir, self.title, self.per_epoch, self.tell = run_dir, title, per_epoch, tell
        self.every = max(1, math.ceil(steps / STRETCHES))
        self.stretches = _until(run_dir / "steps.csv", at.step)
        self.history: Sequence[Row] = at.history
        self.began = self.written = time.perf_counter()
        self.drawing, self.next = 0.0, FIRST
        self._clear()

    def _clear(self) -> None:
        self._steps, self._images, self._right = 0, 0, 0.0
        self._loss = self._norm = 0.0
        self._judged = self._measured = True

    def step(self, number: int, rate: float, loss: float, right: float | None, images: int, norm: float | None) -> None:
        """After step `number`, counted from 1. loss, norm: of its batch; right: how many of its images were called rightly."""
        self._steps, self._images, self._loss = self._steps + 1, self._images + images, self._loss + loss * images
        self._right, self._judged = self._right + (right or 0), self._judged and right is not None
        self._norm, self._measured = self._norm + (norm or 0.0), self._measured and norm is not None
        if number % self.every:
            return
        done = Stretch(
            number,
            number / self.per_epoch,
            rate,
            self._loss / self._images,
            self._right / self._images if self._judged else None,
            self._norm / self._steps if self._measured else None,
        )
        self.stretches.append(done)
        self._clear()
        self.tell(done)
        if time.perf_counter() - self.written > PAUSE:
            self.write()
            self.draw_if_cheap()

    def epoch(self, history: Sequence[Row]) -> None:
        """After an epoch."""
        self.history = history
        self.write()
        self.draw_if_cheap()

    def write(self) -> None:
        """The tables. Raises E708."""
        self.written = time.perf_counter()
        path = self.run_dir / "steps.csv"
        try:
            curves.write_csv(path, self.stretches, Stretch)
            if self.history:
                path = self.run_dir / "log.csv"
                curves.write_csv(path, self.history)
        except OSError as e:
            raise checkpoint.unwritable(path, e, self.run_dir) from None

    def draw_if_cheap(self) -> None:
        if self.drawing + self.next <= SHARE * (time.perf_counter() - self.began):
            self.draw()

    def draw(self) -> None:
        """The pictures. Raises E708."""
        if not self.history and not self.stretches:
            return
        from cnndsl.view.curves import loss_curve

        began = time.perf_counter()
        paths = [self.run_dir / name for name in PICTURES]
        try:
            loss_curve(self.history, paths, self.title, self.stretches)
        except OSError as e:
            raise checkpoint.unwritable(paths[0], e, self.run_dir) from None
        give_back_freed_memory()  # 3 MB of pixels for each picture otherwise
        self.next = time.perf_counter() - began
        self.drawing += self.next


def _until(path: Path, step: int) -> list[Stretch]:
    """What an earlier part of the run left, up to the step that it goes on from; nothing where it cannot be read."""
    if not step:
        return []
    try:
        return [x for x in curves.read_steps(path) if x.step <= step]
    except CnnError:
        return []
