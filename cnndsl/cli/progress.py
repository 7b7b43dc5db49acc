"""How a training looks while it runs: a moving line on a terminal, a line for each epoch everywhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TextIO

from cnndsl.cli.watch import Curves

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console, RenderableType
    from rich.progress import Progress as Bar

    from cnndsl.training.records import EpochDone, Event, Started, Stepped

MANY = 0.1
"""The share of images left out of an epoch from which on it is said."""
HEADING = "epoch    loss  accuracy  validation         rate     time"
STOPPING = "stopping: this step is finished, then all is saved (Ctrl-C again: at once, back to the last checkpoint)"


class Progress:
    """Receives the events of a training. On a terminal the running epoch is one moving line, drawn by rich.

    A context manager: leaving it takes the moving line away. `moving` overrides what the output says of itself.
    watch: curves of loss and accuracy stand above that line; into a file they are written once, at the end. of: what the
    images of the first line are of (`started`).
    """

    def __init__(self, out: TextIO | None = None, moving: bool | None = None, watch: bool = False, of: str = "") -> None:
        self.out, self.of = out or sys.stdout, of
        self.moving = self.out.isatty() if moving is None else moving
        self.bar: Bar | None = None
        self.curves = Curves() if watch else None

    def __enter__(self) -> Progress:
        if self.moving:
            self.bar = self._bar()
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()
        if self.curves is not None and self.curves.panels():
            self._console(self.moving).print(self.curves)

    def __call__(self, event: Event) -> None:
        from cnndsl.cli.failure import draw
        from cnndsl.training.records import EpochDone, Skipped, Started, Stepped, Stopping

        if self.curves is not None:
            self.curves.add(event)
        if isinstance(event, Started):
            self._print(started(event, self.of))
            if event.warnings:
                draw(event.warnings)
                print(file=sys.stderr)
            self._print(HEADING)
        elif isinstance(event, EpochDone):
            self._print(epoch(event))
        elif isinstance(event, Skipped):
            self._print(f"skipped: {event.why}")
        elif isinstance(event, Stopping):
            if self.bar is not None:
                self._print(STOPPING)
            else:
                print(STOPPING, file=sys.stderr, flush=True)
        elif isinstance(event, Stepped) and self.bar is not None:
            now: dict[str, Any] = {"total": event.steps, "completed": event.step, "left": left(event), "right": right(event)}
            if self.bar.task_ids:
                self.bar.update(self.bar.task_ids[0], **now)
            else:
                self.bar.add_task("", **now)

    def _bar(self) -> Bar:
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("{task.fields[left]}"), BarColumn(bar_width=20), TextColumn("{task.fields[right]}"))
        curves = self.curves

        class Watched(Bar):
            def get_renderables(self) -> Iterable[RenderableType]:
                if curves is not None:
                    yield curves
                yield self.make_tasks_table(self.tasks)

        return Watched(*columns, console=self._console(True), transient=True, refresh_per_second=2 if curves else 8)

    def _console(self, terminal: bool) -> Console:
        from rich.console import Console

        return Console(file=self.out, force_terminal=terminal, highlight=False, markup=False)

    def _print(self, line: str) -> None:
        if self.bar is not None:
            self.bar.console.print(line, soft_wrap=True)
        else:
            print(line, file=self.out, flush=True)


def started(e: Started, of: str = "") -> str:
    """The first lines. of: what the images are of, begun with a space."""
    from cnndsl.errors import counted, printable

    where = f"of {printable(e.apart)}" if e.apart else "held back"
    held = f", {e.validation_images:,} {where} to validate" if e.validation_images else ""
    what = "training" if e.resumed is None else f"going on from step {e.resumed} with"
    length = f"{counted(e.epochs, 'epoch')} of {counted(e.steps_per_epoch, 'step')}"
    if e.steps is not None:
        length = f"{counted(e.steps, 'step')} ({e.steps_per_epoch:,} an epoch)"
    line = f"{what} {e.model} on {e.images:,} images{of}{held}, {length}, into {e.run_dir}\n"
    short = e.images - e.steps_per_epoch * e.batch
    if short >= MANY * e.images:
        line += f"each epoch leaves out {counted(short, 'image')}, others each time: they fill no batch of {e.batch:,}\n"
    return line


def left(e: Stepped) -> str:
    return f"{e.epoch:>5}  {e.loss:>6.4f}  {percent(e.accuracy):>8}"


def right(e: Stepped) -> str:
    return f"{e.step}/{e.steps}  {e.images_per_second:,.0f} images/s  {clock(e.seconds_left)} left"


def epoch(e: EpochDone) -> str:
    r = e.row
    held = "" if r.validation_loss is None else f"{r.validation_loss:.4f} {percent(r.validation_accuracy)}".strip()
    return f"{r.epoch:>5}  {r.loss:>6.4f}  {percent(r.accuracy):>8}  {held:<14}  {r.rate:>7.2g}  {clock(r.seconds):>7}".rstrip()


def percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f}%"


def clock(seconds: float) -> str:
    """`0:07`, `12:30`, `1:02:03`."""
    whole = int(seconds + 0.5) if seconds == seconds and seconds < 1e7 else 0
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
