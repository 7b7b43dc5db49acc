"""Curves in the terminal: of the training that runs here (`train --watch`), or of runs by their logs (`plot curves`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from cnndsl.training.records import Event, Row, Stretch
    from cnndsl.view.curves import Line
    from cnndsl.view.plots import Points

    Runs = dict[str, list[list[Row]]]

ENOUGH = 8
"""Epochs that make a line; with fewer, the steps' means are drawn in their place."""
POINTS = 32
"""Of a line that is drawn from steps, at most."""
NARROW = 64
"""Characters, below which two plots stand one over the other."""
POLL = 1.0
"""Seconds between two looks at a log."""


@dataclass
class Curves:
    """Loss and accuracy of runs as text plots, which rich renders as wide as the terminal. name → runs → epochs, and steps."""

    rows: dict[str, list[list[Row]]] = field(default_factory=dict)
    steps: dict[str, list[list[Stretch]]] = field(default_factory=dict)

    def add(self, event: Event) -> bool:
        """What a training tells; whether there is more to draw."""
        from cnndsl.training.records import EpochDone, Stretch

        if isinstance(event, EpochDone):
            self.rows.setdefault("", [[]])[0].append(event.row)
        elif isinstance(event, Stretch):
            self.steps.setdefault("", [[]])[0].append(event)
        return isinstance(event, (EpochDone, Stretch))

    def panels(self) -> dict[str, list[Line]]:
        """`loss`, `accuracy in %` → lines."""
        from cnndsl.view.curves import PANELS, Line, curve_lines, step_points

        found: dict[str, list[Line]] = {what: [] for what in PANELS}
        for name in dict.fromkeys((*self.rows, *self.steps)):
            several, steps = self.rows.get(name, []), self.steps.get(name, [])
            own = curve_lines({name: [rows for rows in several if rows]})
            few = len(steps) == 1 and sum(map(len, several)) < ENOUGH
            fine = step_points(steps[0]) if few else {}
            for what in PANELS:
                lines = own.get(what, [])
                if what in fine:
                    lines = [Line(name, False, fewer(fine[what])), *(x for x in lines if x.validation)]
                found[what] += lines
        return {what: lines for what, lines in found.items() if lines}

    def there(self) -> Runs:
        """The runs that have an epoch behind them."""
        found = {name: [rows for rows in several if rows] for name, several in self.rows.items()}
        return {name: several for name, several in found.items() if several}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.table import Table
        from rich.text import Text

        from cnndsl.cli.text_plot import Size, text_plot

        panels = self.panels()
        if not panels:
            yield Text("nothing to draw yet", style="dim")
            return
        beside = len(panels) > 1 and options.max_width >= NARROW
        width = (options.max_width - 2) // 2 if beside else options.max_width - 1
        height = min(14, max(6, console.height // (3 if beside or len(panels) == 1 else 4)))
        fine = console.color_system is not None and options.encoding.startswith("utf")
        plots = [Text("\n").join(text_plot(what, lines, Size(width, height), fine)) for what, lines in panels.items()]
        if beside:
            table = Table.grid(padding=(0, 1))
            table.add_row(*plots)
            yield table
        else:
            yield from plots


def fewer(points: Points) -> Points:
    """Means of points in a row, so many that single batches do not fill the plot."""
    count = -(-len(points) // POINTS)
    groups = [points[i : i + count] for i in range(0, len(points), count or 1)]
    return [(group[-1][0], sum(y for _, y in group) / len(group)) for group in groups]


def curves_of(logs: Mapping[str, Sequence[Path]]) -> Curves:
    """Those of runs, name → log.csv, beside which there may be a steps.csv. What is not there yet is left out. Raises E702."""
    from cnndsl.training.curves import read_csv, read_steps

    found = Curves()
    for name, paths in logs.items():
        found.rows[name] = [read_csv(path) if path.is_file() else [] for path in paths]
        steps = [path.with_name("steps.csv") for path in paths]
        found.steps[name] = [read_steps(path) if path.is_file() else [] for path in steps]
    return found


def shown(
    logs: Mapping[str, Sequence[Path]], watch: bool, plots: bool, reach: float | None, drawn: Callable[[Runs], None]
) -> None:
    """Print a table of runs, after their curves as text where `plots`; with `watch` follow their logs until Ctrl-C.

    drawn: called with the epochs that are there, at first and after each change. Raises E702.
    """
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    from cnndsl.cli.logs import table

    console = Console(highlight=False, markup=False)
    if not (watch and console.is_terminal):
        found = curves_of(logs)
        drawn(found.there())
        if plots or watch:
            console.print(found)
        print(table(found.there(), reach))
        return
    with Live(console=console, auto_refresh=False) as live:
        seen: Sequence[Any] = ()
        try:
            while True:
                paths = [path for several in logs.values() for log in several for path in (log, log.with_name("steps.csv"))]
                now = [_stamp(path) for path in paths]
                if now != seen:
                    found = curves_of(logs)
                    live.update(Group(found, Text(table(found.there(), reach))), refresh=True)
                    drawn(found.there())
                    seen = now
                time.sleep(POLL)
        except KeyboardInterrupt:
            return


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
