"""How an evaluation looks while it runs: a moving line on a terminal, and nothing in pipes but pictures that are skipped."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from cnndsl.cli.progress import clock

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from cnndsl.training.records import Judged, Skipped

SHORT = 0.5
"""Seconds before there is a line: what is done by then needs none."""


class Judging:
    """Receives the events of an evaluation; draws on stderr, so that stdout stays the answer. A context manager.

    `moving` overrides what the output says of itself.
    """

    def __init__(self, out: TextIO | None = None, moving: bool | None = None) -> None:
        self.out = out or sys.stderr
        self.moving = self.out.isatty() if moving is None else moving
        self.bar: Bar | None = None

    def __enter__(self) -> Judging:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def __call__(self, event: Judged | Skipped) -> None:
        from cnndsl.errors import printable
        from cnndsl.training.records import Skipped

        if isinstance(event, Skipped):
            line = f"skipped: {printable(event.why)}"
            if self.bar is not None:
                self.bar.console.print(line, soft_wrap=True)
            else:
                print(line, file=self.out, flush=True)
        elif self.bar is not None:
            self.bar.update(self.bar.task_ids[0], completed=event.done, said=said(event))
        elif self.moving and event.seconds >= SHORT and event.done < event.count:
            self.bar = self._bar()
            self.bar.add_task("", total=event.count, completed=event.done, said=said(event))
            self.bar.start()

    def _bar(self) -> Bar:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        console = Console(file=self.out, force_terminal=True, highlight=False, markup=False)
        columns = (BarColumn(bar_width=20), TextColumn("{task.fields[said]}"))
        return Bar(*columns, console=console, transient=True, refresh_per_second=8)


def said(e: Judged) -> str:
    """`12/1,000  144 views of each image  3.2 images/s  5:12 left`."""
    speed = e.done / e.seconds
    left = clock((e.count - e.done) / speed) if speed else ""
    many = f"{speed:,.0f}" if speed >= 10 else f"{speed:.1f}"
    return "  ".join([f"{e.done:,}/{e.count:,}", *views(e.views), f"{many} images/s", *([f"{left} left"] if left else [])])


def views(count: int) -> list[str]:
    return [f"{count:,} views of each image"] if count > 1 else []
