"""Layered drawing of one level of a graph: where its items stand, and how its edges run.

After Sugiyama, Tagawa, Toda, "Methods for Visual Understanding of Hierarchical System Structures", 1981: layers by
the longest path; crossings reduced by medians. Coordinates as Brandes, Köpf, "Fast and Simple Horizontal Coordinate
Assignment", 2002, in outline: what follows each other stands in columns, packed to the left and to the right, and the
mean of both. What differs, for networks: an edge that passes by a path of steps (a skip) takes a lane beside what it
passes, and the other branches of a sum do not pull at its main one.

Lengths are in points of the picture; y grows downwards, along the flow. Everything is deterministic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

GAP_X = 16.0
GAP_Y = 15.0
LABEL_Y = 26.0  # of a gap that holds labels
FAN_Y = 30.0  # of one in which edges run far aside
LANE = 16.0
SWEEPS = 10
CROSSING_SWEEPS = 6

Point = tuple[float, float]


@dataclass(eq=False, slots=True)
class Item:
    """Something with a place. left, right: its extent from the axis that the flow runs along; height: its own.

    x: of that axis; y: of its top. kind: box, join (a circle), bar (widens over what enters it), port or source.
    label: width of a text beside the edge below it. stem: how far its edges run straight before they part.
    """

    left: float
    right: float
    height: float
    kind: str = "box"
    label: float = 0.0
    stem: float = 0.0
    x: float = 0.0
    y: float = 0.0
    layer: int = 0
    order: float = 0.0
    weight: float = 1.0


@dataclass(eq=False, slots=True)
class Edge:
    """From the bottom of one item to the top of another. out, into: offsets of its ends from the items' axes.

    points: its way, once laid out; between two points with different x it bends. side: it enters a join from the side.
    """

    tail: Item
    head: Item
    out: float = 0.0
    into: float = 0.0
    lane: bool = False
    side: bool = False
    points: list[Point] = field(default_factory=list)


Near = dict[Item, list[tuple[Item, float, float]]]
"""For each item its neighbours in a layer beside, where they want it relative to themselves, and how strongly."""


def lay_out(items: Sequence[Item], edges: Sequence[Edge]) -> tuple[float, float, float]:
    """Place `items` and route `edges`; (left, right, height) of it all, left and right as offsets from x = 0.

    Items come in an order in which edges go forward.
    """
    _layers(items, edges)
    _find_lanes(items, edges)
    chains = {e: _chain(e) for e in edges if not e.lane}
    hidden = [d for chain in chains.values() for d in chain[1:-1]]
    layers: list[list[Item]] = [[] for _ in range(1 + max((i.layer for i in items), default=0))]
    for item in [*items, *hidden]:
        layers[item.layer].append(item)
    above: Near = {i: [] for i in [*items, *hidden]}
    below: Near = {i: [] for i in [*items, *hidden]}
    for e, chain in chains.items():
        weak = _pull(e)
        for a, b in pairwise(chain):
            shift = (e.out if a is e.tail else 0.0) - (e.into if b is e.head else 0.0)
            above[b].append((a, shift, weak))
            below[a].append((b, -shift, weak))
    _order(layers, above, below)
    _columns(layers, above, below)
    _bars(items, chains, layers)
    tops, bottoms = _rows(layers, edges)
    _route(edges, chains, layers, tops, bottoms)
    shift = _axis(items)
    left = min((i.x - i.left for i in items), default=0.0)
    right = max((i.x + max(i.right, i.label + 6 if i.label > 1 else 0.0) for i in items), default=0.0)
    right = max([right, *(x for e in edges for x, _ in e.points)])
    left = min([left, *(x for e in edges for x, _ in e.points)])
    for i in items:
        i.x -= shift
    for e in edges:
        e.points = [(x - shift, y) for x, y in e.points]
    return left - shift, right - shift, bottoms[-1]


def _layers(items: Sequence[Item], edges: Sequence[Edge]) -> None:
    place = {item: k for k, item in enumerate(items)}
    for item in items:
        item.layer = 0
    for e in sorted(edges, key=lambda e: place[e.tail]):
        e.head.layer = max(e.head.layer, e.tail.layer + 1)
    entered = {e.head for e in edges}
    users: dict[Item, int] = {}
    for e in edges:
        users[e.tail] = min(users.get(e.tail, e.head.layer), e.head.layer)
    last = max((i.layer for i in items), default=0)
    for item in items:
        if item.kind == "source" and item not in entered and item in users:
            item.layer = users[item] - 1  # a second input stands where it is used
        elif item.kind == "exit":
            item.layer = last


def _find_lanes(items: Sequence[Item], edges: Sequence[Edge]) -> None:
    """A long edge whose tail feeds something else, and whose head is fed by something else, passes by."""
    out: dict[Item, int] = {}
    into: dict[Item, int] = {}
    for e in edges:
        out[e.tail] = out.get(e.tail, 0) + 1
        into[e.head] = into.get(e.head, 0) + 1
    for e in edges:
        long = e.head.layer - e.tail.layer > 1
        e.lane = long and out[e.tail] > 1 and (into[e.head] > 1 or e.head.kind == "exit")
    kept = {e.tail for e in edges if not e.lane}
    for e in edges:  # a fork whose ways all are long keeps them
        e.lane = e.lane and e.tail in kept


def _chain(e: Edge) -> list[Item]:
    """The edge's ends with a point in each layer between."""
    between = range(e.tail.layer + 1, e.head.layer)
    return [e.tail, *(Item(5, 5, 0, "bend", layer=k, order=e.tail.order) for k in between), e.head]


def _pull(e: Edge) -> float:
    return min(e.tail.weight, e.head.weight, 1.0)


def _order(layers: list[list[Item]], above: Near, below: Near) -> None:
    """Medians, down and up; the order in which the network is written breaks ties. The best order found is kept."""
    for layer in layers:
        layer.sort(key=lambda i: i.order)
        for k, item in enumerate(layer):
            item.x = float(k)
    if all(len(layer) < 2 for layer in layers):
        return
    best, fewest = [list(layer) for layer in layers], _crossings(layers, below)
    for turn in range(CROSSING_SWEEPS):
        if not fewest:
            break
        down = turn % 2 == 0
        known = above if down else below
        for layer in layers if down else layers[::-1]:
            _sort_by_medians(layer, known)
        count = _crossings(layers, below)
        if count < fewest:
            best, fewest = [list(layer) for layer in layers], count
    for layer, kept in zip(layers, best, strict=True):
        layer[:] = kept


def _sort_by_medians(layer: list[Item], known: Near) -> None:
    medians = {}
    for k, item in enumerate(layer):
        item.x = float(k)
    for k, item in enumerate(layer):
        beside = sorted(n.x for n, _, _ in known[item])
        medians[item] = beside[len(beside) // 2] if beside else float(k)
    layer.sort(key=lambda i: (medians[i], i.order))
    for k, item in enumerate(layer):
        item.x = float(k)


def _crossings(layers: list[list[Item]], below: Near) -> int:
    total = 0
    for upper, lower in pairwise(layers):
        place = {i: k for k, i in enumerate(lower)}
        ends = [place[n] for i in upper for n, _, _ in sorted(below[i], key=lambda b: place[b[0]])]
        total += _inversions(ends)
    return total


def _inversions(xs: list[int]) -> int:
    from bisect import bisect_right, insort

    seen: list[int] = []
    total = 0
    for x in xs:
        total += len(seen) - bisect_right(seen, x)
        insort(seen, x)
    return total


def _columns(layers: list[list[Item]], above: Near, below: Near) -> None:
    """x of every item. What follows each other alone stands in one column; columns keep their order and distance.

    The mean of the leftmost and the rightmost drawing keeps both; then each column moves towards its neighbours.
    """
    column, shift = _gather(layers, above, below)
    order = _rank(layers, column)
    if order is None:  # columns that cross: every item for itself
        column, shift = {i: i for layer in layers for i in layer}, {i: 0.0 for layer in layers for i in layer}
        order = _rank(layers, column)
    assert order is not None
    pairs = [
        (column[a], column[b], a.right + GAP_X + b.left + shift[a] - shift[b]) for layer in layers for a, b in pairwise(layer)
    ]
    lefts: dict[Item, list[tuple[Item, float]]] = {c: [] for c in order}
    rights: dict[Item, list[tuple[Item, float]]] = {c: [] for c in order}
    for a, b, room in pairs:
        lefts[b].append((a, room))
        rights[a].append((b, room))
    low: dict[Item, float] = {}
    for c in order:
        low[c] = max((low[a] + room for a, room in lefts[c]), default=0.0)
    width = max(low.values(), default=0.0)
    high: dict[Item, float] = {}
    for c in reversed(order):
        high[c] = min((high[b] - room for b, room in rights[c]), default=width)
    at = {c: (low[c] + high[c]) / 2 for c in order}
    members: dict[Item, list[Item]] = {c: [] for c in order}
    for layer in layers:
        for item in layer:
            members[column[item]].append(item)
    near: Near = {c: [] for c in order}
    for item, c in column.items():
        for n, s, w in above[item] + below[item]:
            if column[n] is not c:
                near[c].append((column[n], shift[n] + s - shift[item], w))
    for turn in range(SWEEPS):
        for c in order if turn % 2 == 0 else order[::-1]:
            total = sum(w for _, _, w in near[c])
            if total:
                wish = sum((at[n] + s) * w for n, s, w in near[c]) / total
                least = max((at[a] + room for a, room in lefts[c]), default=-inf)
                most = min((at[b] - room for b, room in rights[c]), default=inf)
                at[c] = max(least, min(most, wish))
    for item, c in column.items():
        item.x = at[c] + shift[item]


def _gather(layers: list[list[Item]], above: Near, below: Near) -> tuple[dict[Item, Item], dict[Item, float]]:
    """For each item its column, named by the topmost item, and its place relative to it."""
    column: dict[Item, Item] = {}
    shift: dict[Item, float] = {}
    for layer in layers:
        for item in layer:
            column[item], shift[item] = item, 0.0
            strong = [n for n in above[item] if n[2] == 1.0] or above[item]
            if len(strong) == 1:
                over, offset, weight = strong[0]
                if sum(n[2] == weight for n in below[over]) == 1 and (weight == 1.0 or len(below[over]) == 1):
                    column[item], shift[item] = column[over], shift[over] + offset
    return column, shift


def _rank(layers: list[list[Item]], column: dict[Item, Item]) -> list[Item] | None:
    """The columns from left to right; None where they contradict each other."""
    after: dict[Item, list[Item]] = {c: [] for c in column.values()}
    waiting = dict.fromkeys(after, 0)
    for layer in layers:
        for a, b in pairwise(layer):
            after[column[a]].append(column[b])
            waiting[column[b]] += 1
    ready = [c for c in reversed(list(after)) if not waiting[c]]
    found = []
    while ready:
        c = ready.pop()
        found.append(c)
        for d in after[c]:
            waiting[d] -= 1
            if not waiting[d]:
                ready.append(d)
    return found if len(found) == len(after) else None


def _bars(items: Sequence[Item], chains: dict[Edge, list[Item]], layers: list[list[Item]]) -> None:
    """A bar alone in its layer reaches over everything that enters it, so that its edges run straight down."""
    for item in items:
        if item.kind == "bar" and len(layers[item.layer]) == 1:
            ends = [chain[-2].x + (e.out if len(chain) == 2 else 0.0) for e, chain in chains.items() if e.head is item]
            if ends:
                item.left = max(item.left, item.x - min(ends) + 14)
                item.right = max(item.right, max(ends) - item.x + 14)


def _rows(layers: list[list[Item]], edges: Sequence[Edge]) -> tuple[list[float], list[float]]:
    """Top and bottom of each layer; y of every item, at the top of its layer."""
    tops, bottoms, y = [], [], 0.0
    wide = {e.tail.layer for e in edges if e.lane} | {e.head.layer - 1 for e in edges if e.lane and e.head.kind != "join"}
    wide |= {e.tail.layer for e in edges if not e.lane and abs(e.tail.x - e.head.x) > 8}
    fans = {e.tail.layer for e in edges if abs(e.tail.x - e.head.x) > 60}
    for k, layer in enumerate(layers):
        tops.append(y)
        height = max((i.height for i in layer), default=0.0)
        for i in layer:
            i.y = y + (height - i.height) / 2 if i.kind == "join" else y
        y += max((i.height + i.stem for i in layer), default=0.0)
        bottoms.append(y)
        if k + 1 < len(layers):
            y += FAN_Y if k in fans else LABEL_Y if any(i.label for i in layer) else LABEL_Y - 4 if k in wide else GAP_Y
    return tops, bottoms


def _route(
    edges: Sequence[Edge], chains: dict[Edge, list[Item]], layers: list[list[Item]], tops: list[float], bottoms: list[float]
) -> None:
    for e, chain in chains.items():
        x0, x1 = e.tail.x + e.out, e.head.x + e.into
        if e.head.kind == "bar" and len(chain) == 2 and -e.head.left < x0 - e.head.x < e.head.right:
            x1 = x0
        e.points = [(x0, e.tail.y + e.tail.height)]
        if bottoms[e.tail.layer] > e.points[0][1]:
            e.points.append((x0, bottoms[e.tail.layer]))
        for bend in chain[1:-1]:
            x = bend.x
            if e.head.kind == "bar" and -e.head.left < x - e.head.x < e.head.right and bend is chain[-2]:
                x1 = x
            e.points += [(x, tops[bend.layer]), (x, bottoms[bend.layer])]
        if _beside(e, e.points[-1][0], layers):
            e.side = True
            x, y = e.points[-1][0], e.head.y + e.head.height / 2
            e.points += [(x, y), (e.head.x + (e.head.right if x > e.head.x else -e.head.left), y)]
            continue
        if tops[e.head.layer] < e.head.y:
            e.points.append((x1, tops[e.head.layer]))
        e.points.append((x1, e.head.y))
    reach = [max((i.x + max(i.right, i.label + 6 if i.label > 1 else 0.0) for i in layer), default=0.0) for layer in layers]
    lanes = list(reach)  # per layer, how far out boxes and lanes reach: short skips lie inside long ones
    for e in sorted((e for e in edges if e.lane), key=lambda e: (e.head.layer - e.tail.layer, e.tail.layer, e.out)):
        first, last = e.tail.layer, e.head.layer
        e.side = e.head.kind == "join" and e.head.x == max(i.x for i in layers[last])
        x = max(lanes[first + 1 : last]) + LANE * 0.75
        if e.side:
            x = max(x, e.head.x + e.head.right + LANE)
        for k in range(first + 1, last + e.side):
            lanes[k] = max(lanes[k], x)
        x0 = e.tail.x + e.out
        e.points = [(x0, e.tail.y + e.tail.height)]
        if bottoms[first] > e.points[0][1]:
            e.points.append((x0, bottoms[first]))
        e.points.append((x, tops[first + 1]))
        if e.side:
            e.points += [(x, e.head.y + e.head.height / 2), (e.head.x + e.head.right, e.head.y + e.head.height / 2)]
        else:
            x1 = e.head.x + e.into
            if e.head.kind == "bar":
                x1 = min(max(x, e.head.x - e.head.left + 8), e.head.x + e.head.right - 8)
            e.points += [(x, bottoms[last - 1]), (x1, tops[last])]
            if tops[last] < e.head.y:
                e.points.append((x1, e.head.y))


def _beside(e: Edge, x: float, layers: list[list[Item]]) -> bool:
    """Whether a branch that comes down at `x` may enter a join from the side: it is clear of it, and so is the way."""
    if e.head.kind != "join":
        return False
    row = [i.x for i in layers[e.head.layer]]
    if x > e.head.x:
        return x > e.head.x + e.head.right + 12 and e.head.x == max(row)
    return x < e.head.x - e.head.left - 12 and e.head.x == min(row)


def _axis(items: Sequence[Item]) -> float:
    """The x of the axis along which the flow enters: of the first entry, else of the first item."""
    for item in items:
        if item.kind == "port":
            return item.x
    return items[0].x if items else 0.0
