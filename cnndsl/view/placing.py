"""Where the parts of a picture stand: blocks from the inside out, then the model's own body, its heads beside it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from cnndsl.graph.graph import Value
from cnndsl.view.columns import flow
from cnndsl.view.layout import Edge, Item, lay_out
from cnndsl.view.shapes import TITLE, Line, Shape, shortened, sizes, text_width
from cnndsl.view.ushape import u_shape

PAD = 11.0
HEAD_GAP, STEM = 34.0, 13.0
MARGIN = 18.0

Tap = tuple[Shape, Shape, Value]


def lay_out_block(block: Shape) -> None:
    """Place what is inside, and give the block its size."""
    _labels(block, False)
    left, right, height = _place(block)
    wide = text_width(block.title, 11.5) + (text_width(f"× {block.count}", 11) + 14 if block.count > 1 else 0) + 22
    wide += min(text_width(block.detail, 9) + 12, 160) if block.detail else 0
    left, right = -left + PAD, right + PAD
    spare = max(0.0, wide - left - right) / 2
    left, right = left + spare, right + spare
    badge = text_width(f"× {block.count}", 11) + 12 if block.count > 1 else 0.0
    block.detail = shortened(block.detail, left + right - text_width(block.title, 11.5) - badge - 26, 9)
    block.item.left, block.item.right, block.item.height = left, right, height + TITLE + (0 if block.outs else PAD)
    block.item.kind = "box"


def lay_out_rows(top: Shape, taps: Sequence[Tap]) -> tuple[float, float] | None:
    """The size of the picture, its levels in rows, where the model's own body is a U; without heads."""
    if taps or any(s.head for s in top.children):
        return None
    _labels(top, True)
    found = u_shape(top)
    if found is None:
        return None
    left, right, height = found
    top.offset = (MARGIN - left, MARGIN)
    return right - left + 2 * MARGIN, height + 2 * MARGIN


def lay_out_top(top: Shape, taps: Sequence[Tap], columns: int | None) -> tuple[float, float]:
    """Place the model's own body, in at most so many columns, and the heads beside it; the size of the picture."""
    aside = [s for s in top.children if s.head]
    top.children = [s for s in top.children if not s.head]
    between = [line for line in top.lines if line.tail in aside or line.head in aside]
    top.lines = [line for line in top.lines if line not in between]
    _labels(top, True, [t[0] for t in taps])
    left, right, height = _place(top)
    # From the last to the first: a head that reaches below the beginning of a later one stands farther out, so
    # that no dashed line meets a box.
    placed: list[tuple[float, float, float]] = []  # top, bottom, right
    start = right + HEAD_GAP
    for tail, head, x in sorted(taps, key=lambda t: -(t[0].item.y + t[0].item.height)):
        item = head.item
        y = tail.item.y + tail.item.height
        item.y = y + STEM + 20
        bottom = item.y + item.height
        edge = max((r + HEAD_GAP for t, b, r in placed if t < bottom + 12 and y < b + 12), default=start)
        item.x = edge + item.left
        placed.append((y, bottom, edge + item.left + item.right))
        into = item.x + head.ins.get(x, 0.0)
        begin = tail.item.x + (tail.outs.get(x, 0.0) if tail.kind == "block" else 0.0)
        line = Line(Edge(tail.item, item), tail, head, x, dashed=True)
        line.edge.points = [(begin, y), (begin, y + STEM + 4), (into, y + STEM + 4), (into, item.y)]
        top.lines.append(line)
        right = max(right, item.x + item.right)
        height = max(height, bottom)
    top.children += aside
    left, right, height = flow(top, (left, right, height), columns)
    top.offset = (MARGIN - left, MARGIN)
    return right - left + 2 * MARGIN, height + 2 * MARGIN


def _place(block: Shape) -> tuple[float, float, float]:
    """Lay out the inside of `block`; what enters and leaves gets its place from the axis."""
    ports = [x for line in block.lines for x in (line.edge.tail, line.edge.head) if x.kind in ("port", "exit")]
    entries = list(dict.fromkeys(p for p in ports if p.kind == "port"))
    exits = list(dict.fromkeys(p for p in ports if p.kind == "exit" and p not in {s.item for s in block.children}))
    for line in block.lines:
        line.edge.out = line.tail.outs.get(line.value, 0.0) if line.tail and line.tail.kind == "block" else 0.0
        line.edge.into = line.head.ins.get(line.value, 0.0) if line.head and line.head.kind == "block" else 0.0
    items = [*entries, *(s.item for s in block.children), *exits]
    _weaken(block)
    for shape in block.children:
        if shape.kind == "input":
            shape.item.kind = "source"
    found = lay_out(items, [line.edge for line in block.lines])
    for line in block.lines:
        if line.tail is None:
            block.ins[line.value] = line.edge.tail.x
        if line.head is None:
            block.outs[line.value] = line.edge.head.x
    return found


def _weaken(block: Shape) -> None:
    """Of a sum's branches, all but the longest step aside: the main one runs straight."""
    into: dict[Item, list[Line]] = {}
    outs: dict[Item, int] = {}
    for line in block.lines:
        into.setdefault(line.edge.head, []).append(line)
        outs[line.edge.tail] = outs.get(line.edge.tail, 0) + 1
    for shape in block.children:
        if shape.kind != "join" or len(into.get(shape.item, [])) < 2:
            continue
        branches = []
        for line in into[shape.item]:
            chain, item = [], line.edge.tail
            while outs.get(item) == 1 and len(into.get(item, [])) == 1 and item.kind == "box":
                chain.append(item)
                item = into[item][0].edge.tail
            branches.append(chain)
        longest = max(range(len(branches)), key=lambda k: (len(branches[k]), -k))
        for k, chain in enumerate(branches):
            for item in chain:
                item.weight = 1.0 if k == longest else 0.02
                item.order += 0.0 if k == longest else 0.5 + len(block.children)


def _labels(block: Shape, always: bool, taps: Collection[Shape] = ()) -> None:
    """Shapes beside edges: once for each value that leaves something, where its shape is new."""
    told: set[tuple[Item, Value]] = set()
    for line in block.lines:
        if line.tail is None or (line.tail.item, line.value) in told or line.tail.kind == "input":
            continue
        told.add((line.tail.item, line.value))
        before = {x.type.shape for other in block.lines if other.head is line.tail for x in (other.value,)}
        if line.head is None or (line.head.kind == "output" and line.tail.kind != "block"):
            continue
        if (always and line.tail.kind in ("block", "folded")) or line.value.type.shape not in before:
            line.label = sizes(line.value)
            if len({other.head for other in block.lines if other.tail is line.tail}) > 1 or line.tail in taps:
                line.tail.item.stem = STEM
            line.tail.item.label = max(line.tail.item.label, text_width(line.label, 8.5))
