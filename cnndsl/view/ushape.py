"""A row for each level, as the papers draw U-Nets and hourglasses: down on the left, up on the right, skips level between.

For a body that is one chain with three or more skips nested in each other. After Ronneberger, Fischer, Brox, "U-Net", 2015,
figure 1, and Ulyanov, Vedaldi, Lempitsky, "Deep Image Prior", 2018, figure 21. In a row the flow goes to the right; what
goes on to the next row turns back between the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from cnndsl.view.layout import Point
from cnndsl.view.shapes import Line, Shape, text_width
from cnndsl.view.words import word

LEAST_SKIPS = 3
GROWING = ("upsample", "conv_transpose", "depth_to_space")
GAP = 20.0
"""Between two boxes of a row, besides the shape beside the line."""
ROWS_APART, TURN = 44.0, 20.0
"""Between two rows, and from the foot of a box to where the line turns back."""


@dataclass(slots=True)
class _Skip:
    """From shape number `begin` of the chain to number `end`; lines: its way; over: the boxes on it."""

    begin: int
    end: int
    lines: list[Line]
    over: list[Shape]


def u_shape(top: Shape) -> tuple[float, float, float] | None:
    """Place what stands in `top` in rows; (left, right, height) of it all. None where it is no such chain."""
    chain = _chain(top)
    skips = _skips(top, chain)
    if skips is None:
        return None
    return _placed(top, chain, skips, _bottom(chain, skips[-1]))


def _chain(top: Shape) -> list[Shape]:
    """The longest way from the beginning to the end."""
    length = {id(s): 1 for s in top.children}
    before: dict[int, Shape] = {}
    for s in top.children:  # in an order in which lines go forward
        for line in top.lines:
            if line.head is s and line.tail is not None and length[id(line.tail)] + 1 > length[id(s)]:
                length[id(s)], before[id(s)] = length[id(line.tail)] + 1, line.tail
    at = max(top.children, key=lambda s: length[id(s)])
    chain = [at]
    while id(chain[-1]) in before:
        chain.append(before[id(chain[-1])])
    return chain[::-1]


def _skips(top: Shape, chain: list[Shape]) -> list[_Skip] | None:
    """The skips from the outermost to the innermost; None where there is anything else beside the chain."""
    place = {id(s): k for k, s in enumerate(chain)}
    found: list[_Skip] = []
    left = {id(s) for s in top.children} - set(place)
    for line in top.lines:
        if line.tail is None or line.head is None or line.dashed or id(line.tail) not in place:
            continue
        k = place[id(line.tail)]
        if place.get(id(line.head)) == k + 1:
            continue
        lines, over = [line], []
        while id(lines[-1].head) not in place:
            head = lines[-1].head
            more = [x for x in top.lines if x.tail is head]
            if head is None or len(more) != 1 or sum(x.head is head for x in top.lines) != 1:
                return None
            over.append(head)
            left.discard(id(head))
            lines += more
        found.append(_Skip(k, place[id(lines[-1].head)], lines, over))
    found.sort(key=lambda s: s.begin)
    nested = all(a.begin < b.begin and b.end < a.end for a, b in pairwise(found))
    joins = all(chain[s.end].kind in ("bar", "join") for s in found)
    return found if len(found) >= LEAST_SKIPS and nested and joins and not left else None


def _bottom(chain: list[Shape], inner: _Skip) -> int:
    """The first shape of the chain that stands on the right: behind the innermost fork, where sizes grow again."""
    grows = (k for k in range(inner.begin + 1, inner.end) if _grows(chain[k]))
    return next(grows, inner.end)


def _grows(shape: Shape) -> bool:
    stack = [shape]
    while stack:
        s = stack.pop()
        if any(word(node) in GROWING for node in s.nodes):
            return True
        stack += s.children
    return False


def _placed(top: Shape, chain: list[Shape], skips: list[_Skip], split: int) -> tuple[float, float, float]:
    room = {id(line.tail): text_width(line.label, 8.5) + 6 for line in top.lines if line.label}
    ends = [0, *(s.begin + 1 for s in skips), split]
    backs = [len(chain), *(s.end for s in skips), split]
    rows = list(zip((chain[a:b] for a, b in pairwise(ends)), (chain[b:a] for a, b in pairwise(backs)), strict=True))
    for skip in skips:
        if chain[skip.end].kind == "bar":  # it was stretched over what enters it
            chain[skip.end].item.left = chain[skip.end].item.right = 32.0
    middle = max(_length(skip.over, room) + GAP + room.get(id(chain[skip.begin]), 0.0) for skip in skips) + GAP
    axis = middle + max(chain[skip.end].item.left for skip in skips)
    down, up = rows[-1]
    if down and up:
        axis = max(axis, GAP + room.get(id(down[-1]), 0.0) + up[0].item.left)
    y = 0.0
    for k, (down, up) in enumerate(rows):
        over = skips[k].over if k < len(skips) else []
        tall = max(s.height for s in [*down, *up, *over])
        x = 0.0
        for s in reversed(down):
            x -= s.width
            s.item.x = x + s.item.left
            x -= GAP + room.get(id(chain[chain.index(s) - 1]), 0.0) if s is not chain[0] else 0.0
        x = GAP + room.get(id(down[-1]), 0.0) if down else GAP
        x += (axis - (up[0].item.left if up else 0.0) - GAP - x - _length(over, room)) / 2 if over else 0.0
        for s in over:
            s.item.x = x + s.item.left
            x += s.width + GAP + room.get(id(s), 0.0)
        x = axis - (up[0].item.left if up else 0.0)
        for s in up:
            s.item.x = x + s.item.left
            x += s.width + GAP + room.get(id(s), 0.0)
        for s in [*down, *up, *over]:
            s.item.y = y + (tall - s.height) / 2
        y += tall + ROWS_APART
    row = {id(s): k for k, (down, up) in enumerate(rows) for s in [*down, *up]}
    feet = [max(s.item.y + s.height for s in [*down, *up]) for down, up in rows]
    for line in top.lines:
        line.edge.points = _way(line, row, feet)
    left = min(s.item.x - s.item.left for s in top.children)
    right = max(s.item.x + s.item.right for s in top.children)
    return left, right, y - ROWS_APART


def _length(shapes: list[Shape], room: dict[int, float]) -> float:
    """Of a row of boxes with what stands between them and behind the last."""
    return sum(s.width + GAP + room.get(id(s), 0.0) for s in shapes)


def _way(line: Line, row: dict[int, int], feet: list[float]) -> list[Point]:
    """To the right within a row; between rows down, or up, and back."""
    tail, head = line.tail, line.head
    assert tail is not None
    assert head is not None
    a, b = tail.item, head.item
    y0, y1 = a.y + a.height / 2, b.y + b.height / 2
    below = row.get(id(head), 0) - row.get(id(tail), 0) if id(head) in row and id(tail) in row else 0
    if not below:
        return [(a.x + a.right, y0), (b.x - b.left, y1)]
    if below > 0:
        begin, end, turn = (a.x, a.y + a.height), (b.x, b.y), feet[row[id(tail)]] + TURN
    else:
        begin, end, turn = (a.x, a.y), (b.x, b.y + b.height), feet[row[id(head)]] + TURN
        if a.x + a.right < b.x:  # from the left side of the lowest row
            return [(a.x + a.right, y0), (b.x, y0), end]
    if abs(a.x - b.x) < 0.5:
        return [begin, end]
    return [begin, (a.x, turn), (b.x, turn), end]
