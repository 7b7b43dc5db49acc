"""The model's own body in several columns, as a slide needs it: cut where one value alone flows on, like the lines of a text.

A column ends below its last box; the line that goes on runs up the gutter to the top of the next one. How many columns
there are is chosen by how large the picture stands on a page of 16:9.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from cnndsl.view.layout import Point
from cnndsl.view.shapes import Line, Shape

PAGE = (1600.0, 900.0)
LOW = 640.0
"""A drawing no taller than this stays one column."""
MOST_COLUMNS = 12
GUTTER = 46.0
FOOT, HEAD = 32.0, 16.0
"""Below the last box of a column and above the first, where the line turns."""
ENOUGH = 0.92
"""Fewer columns are taken where the picture stands at least so large beside the largest."""


@dataclass(slots=True)
class _Part:
    """A stretch of the drawing, or a column of several: what stands in it, and the line that leaves it. top, bottom, left,
    right: how far it reaches."""

    shapes: list[Shape] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    on: Line | None = None
    top: float = inf
    bottom: float = -inf
    left: float = inf
    right: float = -inf

    def take(self, other: _Part) -> None:
        self.shapes += other.shapes
        self.lines += other.lines
        if self.on is not None:
            self.lines.append(self.on)
        self.on = other.on
        self.top, self.bottom = min(self.top, other.top), max(self.bottom, other.bottom)
        self.left, self.right = min(self.left, other.left), max(self.right, other.right)

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top


def flow(top: Shape, size: tuple[float, float, float], columns: int | None) -> tuple[float, float, float]:
    """Move what stands in `top` into columns; (left, right, height) of it all, as `size` was before.

    columns: how many at most; by default what makes the picture largest on a page, and one where that is low enough.
    """
    parts = _parts(top)
    if columns == 1 or len(parts) < 2 or (columns is None and size[2] <= LOW):
        return size
    known = {n: _split(parts, n) for n in range(1, min(len(parts), columns or MOST_COLUMNS) + 1)}
    scales = {n: _scale(found) for n, found in known.items()}
    best = max(scales.values())
    chosen = max(known) if columns else min(n for n in known if scales[n] >= best * ENOUGH)
    return size if chosen == 1 else _moved(known[chosen])


def _parts(top: Shape) -> list[_Part]:
    """The stretches between which one line alone runs on, from the top to the bottom. Heads stay beside what they leave."""
    reach = sorted((s.item.y, s.item.y + s.item.height, k) for k, s in enumerate(top.children) if not s.head)
    parts: list[_Part] = []
    begin, bottom = 0, -inf
    for k, (y, end, _) in enumerate(reach):
        if k and y > bottom + 1:
            middle = (bottom + y) / 2
            over = [line for line in top.lines if not line.dashed and _least(line) < middle < _most(line)]
            if len(over) == 1 and over[0].head is not None:
                parts.append(_part(top, [top.children[i] for _, _, i in reach[begin:k]], over[0]))
                begin = k
        bottom = max(bottom, end)
    parts.append(_part(top, [top.children[i] for _, _, i in reach[begin:]], None))
    return parts


def _part(top: Shape, shapes: list[Shape], on: Line | None) -> _Part:
    inside = set(map(id, shapes))
    lines = [line for line in top.lines if line is not on and id(line.tail) in inside]
    heads = [line.head for line in lines if line.dashed and line.head is not None]
    found = _Part([*shapes, *heads], lines, on)
    for s in found.shapes:
        i = s.item
        if not s.head:  # heads find their place once the columns are known
            found.top, found.bottom = min(found.top, i.y), max(found.bottom, i.y + i.height)
        found.left, found.right = min(found.left, i.x - i.left), max(found.right, i.x + max(i.right, i.label + 8))
    for line in lines:
        for x, _ in line.edge.points:
            found.left, found.right = min(found.left, x), max(found.right, x)
    return found


def _least(line: Line) -> float:
    return min(y for _, y in line.edge.points)


def _most(line: Line) -> float:
    return max(y for _, y in line.edge.points)


def _split(parts: list[_Part], n: int) -> list[_Part]:
    """`parts` in `n` columns, of heights as even as can be, the tallest above all."""
    count = len(parts)
    lowest = [[inf] * (count + 1) for _ in range(n + 1)]
    cut = [[0] * (count + 1) for _ in range(n + 1)]
    lowest[0][0] = 0.0
    for k in range(1, n + 1):
        for end in range(k, count + 1):
            bottom = -inf
            for start in range(end - 1, k - 2, -1):
                bottom = max(bottom, parts[start].bottom)
                tall = lowest[k - 1][start] + (bottom - parts[start].top) ** 6
                if tall <= lowest[k][end]:  # of equal ones the column that begins first
                    lowest[k][end], cut[k][end] = tall, start
    found: list[_Part] = []
    end = count
    for k in range(n, 0, -1):
        start = cut[k][end]
        column = _Part()
        for part in parts[start:end]:
            column.take(part)
        found.append(column)
        end = start
    return found[::-1]


def _scale(columns: list[_Part]) -> float:
    """How large the columns stand on a page."""
    width = sum(c.width for c in columns) + GUTTER * (len(columns) - 1)
    return min(PAGE[0] / width, PAGE[1] / (max(c.height for c in columns) + FOOT + HEAD))


def _moved(columns: list[_Part]) -> tuple[float, float, float]:
    right = 0.0
    for column in columns:
        _lift(column)
    tallest = max(c.height for c in columns)
    before: _Part | None = None
    for column in columns:
        dx, dy = right - column.left, HEAD - column.top
        for s in column.shapes:
            s.item.x += dx
            s.item.y += dy
        for line in column.lines:
            line.edge.points = [(x + dx, y + dy) for x, y in line.edge.points]
        if before is not None and before.on is not None:
            _turn(before.on, right - GUTTER / 2, (dx, dy))
        if column.on is not None:
            first = column.on.edge.points[0]
            foot = column.bottom + dy + FOOT - 6
            column.on.edge.points[0:1] = [(first[0] + dx, first[1] + dy), (first[0] + dx, foot)]
        before = column
        right += column.width + GUTTER
    return 0.0, right - GUTTER, tallest + HEAD + FOOT


def _lift(column: _Part) -> None:
    """A head that reaches below its column, or into a head that was lifted, goes up beside what it leaves."""
    low = column.bottom
    for line in sorted(column.lines, key=lambda line: -line.edge.points[0][1]):
        if not line.dashed or line.head is None:
            continue
        item = line.head.item
        top = max(column.top + FOOT, low - item.height)
        (x0, y0), (_, y), (x1, _) = line.edge.points[:3]
        if item.y > top and top < y - 40:  # room for the way up
            item.y = top
            beside, above = item.x - item.left - 15, top - 13
            line.edge.points = [(x0, y0), (x0, y), (beside, y), (beside, above), (x1, above), (x1, top)]
        column.bottom = max(column.bottom, item.y + item.height)
        low = item.y - 30


def _turn(line: Line, x: float, shift: Point) -> None:
    """The way of a line from the foot of a column, which it has already, up the gutter at `x` and into the next one."""
    (x0, y0), foot = line.edge.points[:2]
    x1, y1 = line.edge.points[-1][0] + shift[0], line.edge.points[-1][1] + shift[1]
    line.edge.points = [(x0, y0), foot, (x, foot[1]), (x, 2.0), (x1, 2.0), (x1, y1)]
