"""Curves as text, for a terminal: lines of dots in braille, four rows and two columns in a character, or of plain signs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from cnndsl.errors import printable
from cnndsl.view.curves import Line, on_powers

if TYPE_CHECKING:
    from rich.text import Text

COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "red")
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Braille's dots by row and column of a cell; U+2800 is the empty one."""
SIGNS = "*+xo#@"
LEAST = 6
"""Rows of the plot itself, where names take many."""
MARGIN = 8
"""Characters of the numbers at the left."""


@dataclass(frozen=True)
class Size:
    """Characters across and down, numbers and names included."""

    width: int
    height: int


def text_plot(what: str, lines: Sequence[Line], size: Size, braille: bool = True) -> list[Text]:
    """`lines` over the epochs, as so many rows of text. The axis of a loss goes by powers where it can. Names that need several
    rows take them from the plot, of which `LEAST` remain.

    braille: dots finer than characters, lines told apart by colour; else each line has a sign of its own.
    """
    from rich.text import Text

    wide = max(4, size.width - MARGIN)
    rows = _legend(what, lines, size.width, braille)
    high = max(2, min(LEAST, size.height - 2), size.height - 1 - len(rows))
    powers = what == "loss" and on_powers(lines)
    scaled = [[(x, math.log10(y) if powers else y) for x, y in line.points] for line in lines]
    across = [x for points in scaled for x, _ in points]
    xs = (min(across), max(across)) if len(set(across)) > 1 else (0.0, max(across, default=1.0) or 1.0)
    ys = _span([y for points in scaled for _, y in points])
    cells = _braille(scaled, xs, ys, wide, high) if braille else _signs(scaled, xs, ys, wide, high)
    for r in range(high):
        at = ys[1] - (ys[1] - ys[0]) * r / (high - 1)
        shown = r in (0, high - 1) or (high > 6 and r == high // 2)
        row = Text(f"{_number(10**at if powers else at) if shown else '':>{MARGIN - 1}} ", no_wrap=True)
        for k, run in groupby(cells[r], key=lambda cell: cell[1]):
            row.append("".join(sign for sign, _ in run), style=colour(k) if k is not None else "")
        rows.append(row)
    first, last = f"{xs[0]:.2g}", f"epoch {xs[1]:.4g}"
    rows.append(Text(" " * MARGIN + first + f"{last:>{max(len(last) + 1, wide - len(first))}}", no_wrap=True, style="dim"))
    return rows


def _legend(what: str, lines: Sequence[Line], width: int, braille: bool) -> list[Text]:
    """What is drawn, and the names of the lines: whole in one row each; of a run's name that is longer, the beginning."""
    from rich.cells import cell_len
    from rich.text import Text

    rows = [Text(f"{what:>{MARGIN - 1}} ", no_wrap=True)]
    for k, line in enumerate(lines):
        sign = "" if braille else f"{SIGNS[k % len(SIGNS)]} "
        name = sign + _name(line, max(1, width - MARGIN - len(sign)))
        if rows[-1].cell_len + cell_len(name) > width:
            rows.append(Text(" " * MARGIN, no_wrap=True))
        rows[-1].append(name, style=colour(k)).append("  ")
    for row in rows:
        row.rstrip()
    return rows


def colour(k: int) -> str:
    return COLOURS[k % len(COLOURS)]


def _name(line: Line, most: int) -> str:
    """In at most so many columns, of which a run gets what is left."""
    from rich.cells import cell_len, set_cell_size

    what = "validation" if line.validation else "training"
    run, left = printable(line.run), max(2, most - len(what) - 1)
    if cell_len(run) > left:
        run = f"{set_cell_size(run, left - 1).rstrip()}…"
    return f"{run} {what}" if run else what


def _number(y: float) -> str:
    """In at most seven characters."""
    text = f"{y:.3g}"
    return text if len(text) < MARGIN else f"{y:.0e}"


def _span(values: Sequence[float]) -> tuple[float, float]:
    """The least and the largest, apart by something."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    gap = 0.5 * max(abs(high), 1e-9) if high - low <= 1e-9 * max(abs(high), abs(low), 1e-9) else 0.0
    return low - gap, high + gap


Points = Sequence[tuple[float, float]]
Cells = list[list[tuple[str, int | None]]]


def _dots(points: Points, xs: tuple[float, float], ys: tuple[float, float], wide: int, high: int) -> list[tuple[int, int]]:
    """(row, column) of the dots of a line through `points`, on `high` rows of `wide` dots."""
    at = [((x - xs[0]) / (xs[1] - xs[0]) * (wide - 1), (ys[1] - y) / (ys[1] - ys[0]) * (high - 1)) for x, y in sorted(points)]
    found = {(round(y), round(x)) for x, y in at}
    for (x0, y0), (x1, y1) in pairwise(at):
        count = math.ceil(max(abs(x1 - x0), abs(y1 - y0)))
        for i in range(1, count):
            found.add((round(y0 + (y1 - y0) * i / count), round(x0 + (x1 - x0) * i / count)))
    return sorted(found)


def _braille(lines: Sequence[Points], xs: tuple[float, float], ys: tuple[float, float], wide: int, high: int) -> Cells:
    cells: list[list[tuple[int, int | None]]] = [[(0, None)] * wide for _ in range(high)]
    for k, points in enumerate(lines):
        for row, column in _dots(points, xs, ys, 2 * wide, 4 * high):
            there = cells[row // 4][column // 2][0]
            cells[row // 4][column // 2] = there | DOTS[row % 4][column % 2], k
    return [[(chr(0x2800 + dots) if dots else " ", k) for dots, k in row] for row in cells]


def _signs(lines: Sequence[Points], xs: tuple[float, float], ys: tuple[float, float], wide: int, high: int) -> Cells:
    cells: Cells = [[(" ", None)] * wide for _ in range(high)]
    for k, points in enumerate(lines):
        for row, column in _dots(points, xs, ys, wide, high):
            cells[row][column] = SIGNS[k % len(SIGNS)], k
    return cells
