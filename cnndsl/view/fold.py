"""The steps of a graph as people see them: blocks in blocks, equal repetitions once.

A group is a stretch of consecutive nodes whose paths begin alike, so groups never depend on each other in a circle.
Labels of branches open no group. Repetitions are equal where ops, options, shapes and wiring are, and where each
takes nothing but the value of the one before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from cnndsl.errors import Frame
from cnndsl.graph.graph import SOURCES, Graph, Node, Value

JOINS = frozenset({"add", "subtract", "multiply", "maximum", "concat"})
DEEPEST = 100
_TURN = re.compile(r", repetition \d+ of \d+$")


@dataclass(eq=False, slots=True)
class Group:
    """A block, a name over several steps, or a head. count: how many equal ones it stands for, itself included.

    name: its path without that of the group around it. title: the block's name and arguments (`basic(filters = 64)`);
    empty where no block is called. chunk: not of the model's making, a stretch of too many steps.
    """

    name: str
    path: str
    parts: list[Group | Node] = field(default_factory=list)
    parent: Group | None = None
    title: str = ""
    head: str = ""
    count: int = 1
    copies: list[Group] = field(default_factory=list)
    frames: tuple[Frame, ...] = ()
    inputs: dict[Value, None] = field(default_factory=dict)
    outputs: dict[Value, None] = field(default_factory=dict)
    chunk: bool = False

    @property
    def level(self) -> int:
        """0 for the model itself."""
        found, group = 0, self.parent
        while group is not None:
            found, group = found + 1, group.parent
        return found

    def nodes(self) -> Iterator[Node]:
        """Every node inside, in order; those of the other repetitions not."""
        stack: list[Group | Node] = [self]
        while stack:
            part = stack.pop()
            if isinstance(part, Group):
                stack.extend(reversed(part.parts))
            else:
                yield part

    def all_nodes(self) -> Iterator[Node]:
        """Every node that it stands for: those inside, and those of folded repetitions at any depth."""
        stack: list[Group | Node] = [self]
        while stack:
            part = stack.pop()
            if isinstance(part, Group):
                stack.extend(reversed([*part.parts, *part.copies]))
            else:
                yield part


def relative(path: str, group: Group | None) -> str:
    """`path` without that of `group`."""
    inner = group.path if group else ""
    return path[len(inner) + 1 :] if inner and path.startswith(inner + ".") else path


def tree(graph: Graph, *, fold: bool = True) -> Group:
    """The graph as a tree; its root is the model. Linear in nodes times depth."""
    heads = heads_of(graph)
    labels = _labels(graph)
    root = Group("", "")
    groups = [root]
    stack = [root]
    for node in graph.nodes:
        if node.op in SOURCES:
            continue
        head = heads.get(node, "")
        path = node.path.split(".")[:-1][:DEEPEST]
        places = [(k, s) for k, s in enumerate(path) if ".".join(path[: k + 1]) not in labels]
        if head and path[:1] != [head]:
            places.insert(0, (-1, head))
        depth = 0
        while depth < len(places) and depth + 1 < len(stack):
            k, segment = places[depth]
            beside = stack[depth + 1]
            if beside.path != (".".join(path[: k + 1]) or segment) or beside.head != (head if depth == 0 else ""):
                break
            depth += 1
        del stack[depth + 1 :]
        for k, segment in places[depth:]:
            made = Group(segment, ".".join(path[: k + 1]) or segment, parent=stack[-1], head=head if len(stack) == 1 else "")
            stack[-1].parts.append(made)
            stack.append(made)
            groups.append(made)
        stack[-1].parts.append(node)
    for group in reversed(groups[1:]):
        _unwrap(group)
    for group in (alive := list(_walk(root))):
        group.name = relative(group.path, group.parent)
    for group in reversed(alive):
        group.frames = _common(group)
    for group in alive:
        group.title = _title(group)
    _wires(graph, root)
    if fold:
        for group in reversed(alive):
            _fold(graph, group)
    return root


def heads_of(graph: Graph) -> dict[Node, str]:
    """The nodes that only a head needs, with its name."""
    needed: set[Node] = set()
    owner: dict[Node, str] = {}
    roots = [("", x) for x in graph.outputs.values()] + list(graph.heads.items())
    for name, root in roots:
        stack = [root.node]
        while stack:
            node = stack.pop()
            if node in needed:
                continue
            needed.add(node)
            if name:
                owner[node] = name
            stack.extend(x.node for x in node.operands)
    return owner


def _labels(graph: Graph) -> set[str]:
    """Paths that are branches of a join: the join stands beside them, and they are no call of a block.

    A join at `unit.add` makes `unit.main` a label where the join reads the last value made there, and where as many
    calls lead to its steps as to the join.
    """
    found: set[str] = set()
    for node in graph.nodes:
        if node.op.name not in JOINS:
            continue
        around = node.path.rpartition(".")[0]
        calls = sum(map(_is_call, node.origin.frames))
        for x in node.operands:
            inside = x.node.path
            if x.node.op in SOURCES or (around and not inside.startswith(around + ".")):
                continue
            rest = inside[len(around) + 1 if around else 0 :].split(".")
            outer = [f for f in x.node.origin.frames if _is_call(f)]
            # One segment is the label; each call of a block adds another, the op's word is the last.
            if len(rest) >= 2 and len(outer) - calls <= len(rest) - 2 and _written_in(node, x.node, outer, calls):
                found.add(f"{around}.{rest[0]}" if around else rest[0])
    return found


def _written_in(join: Node, made: Node, outer: list[Frame], calls: int) -> bool:
    """Whether the text of `made`, as seen from the body of `join`, lies inside the text of `join`. Without texts, a
    scope of the graph API, it does not: who opened it wants to see it."""
    place = outer[-(calls + 1)].called_at if len(outer) > calls else made.origin.span
    around = join.origin.span
    if place is None or around is None or place.source is not around.source:
        return False
    return around.start <= place.start < around.end


def _is_call(frame: Frame) -> bool:
    return not frame.what.startswith(("repetition ", "share "))


def _walk(root: Group) -> Iterator[Group]:
    """Groups, outer ones first."""
    stack = [root]
    while stack:
        group = stack.pop()
        yield group
        stack.extend(p for p in reversed(group.parts) if isinstance(p, Group))


def _unwrap(group: Group) -> None:
    """A group of one part gives way to it; a head stays."""
    parent = group.parent
    assert parent is not None
    for k, part in enumerate(group.parts):
        if isinstance(part, Group) and len(part.parts) == 1:
            (inner,) = part.parts
            group.parts[k] = inner
            if isinstance(inner, Group):
                inner.parent = group
    only = group.parts[0]
    if group.head and len(group.parts) == 1 and isinstance(only, Group):
        group.parts, group.path = only.parts, only.path
        for part in group.parts:
            if isinstance(part, Group):
                part.parent = group


def _common(group: Group) -> tuple[Frame, ...]:
    """The calls that all its steps share, the outermost first."""
    shared: tuple[Frame, ...] | None = None
    for part in group.parts:
        frames = part.frames if isinstance(part, Group) else tuple(f for f in reversed(part.origin.frames) if _is_call(f))
        if shared is None:
            shared = frames
            continue
        k = 0
        while k < min(len(shared), len(frames)) and shared[k] == frames[k]:
            k += 1
        shared = shared[:k]
    return shared or ()


def _title(group: Group) -> str:
    known = len(group.parent.frames) if group.parent else 0
    fresh = group.frames[known:]
    return _TURN.sub("", fresh[0].what) if fresh else ""


def _wires(graph: Graph, root: Group) -> None:
    """For every group, the values that enter it and those that leave it."""
    home = _homes(root)
    for node in graph.nodes:
        for x in node.operands:
            if x.node.op in SOURCES and x.node not in home and x not in graph.inputs.values():
                continue
            inside, outside = _apart(home.get(x.node), home.get(node))
            for group in outside:
                group.inputs[x] = None
            for group in inside:
                group.outputs[x] = None
    for x in (*graph.outputs.values(), *graph.updates.values()):
        for group in _apart(home.get(x.node), None)[0]:
            group.outputs[x] = None


def _homes(root: Group) -> dict[Node, Group]:
    return {part: group for group in _walk(root) for part in group.parts if isinstance(part, Node)}


def _apart(a: Group | None, b: Group | None) -> tuple[list[Group], list[Group]]:
    """The groups around `a` alone, and those around `b` alone."""
    over_a, over_b = _above(a), _above(b)
    while over_a and over_b and over_a[-1] is over_b[-1]:
        over_a.pop()
        over_b.pop()
    return over_a, over_b


def _above(group: Group | None) -> list[Group]:
    found = []
    while group is not None:
        found.append(group)
        group = group.parent
    return found


def _fold(graph: Graph, group: Group) -> None:
    """Keep the first of equal repetitions that follow each other."""
    kept: list[Group | Node] = []
    before: Group | None = None
    known: dict[Group, Any] = {}
    for part in group.parts:
        first = kept[-1] if kept else None
        if isinstance(part, Group) and isinstance(first, Group) and before is not None and follows(before, part):
            for g in (first, part):
                if g not in known:
                    known[g] = signature(graph, g)
            if known[first] == known[part]:
                first.count += 1
                first.copies.append(part)
                before = part
                continue
        kept.append(part)
        before = part if isinstance(part, Group) else None
    for part in kept:
        if isinstance(part, Group) and part.copies:
            part.outputs = part.copies[-1].outputs
    group.parts = kept


def follows(a: Group, b: Group) -> bool:
    """Whether `b` takes nothing but the one value that leaves `a`."""
    return not a.head and not b.head and len(a.outputs) == 1 and len(b.inputs) == 1 and list(a.outputs) == list(b.inputs)


def signature(graph: Graph, group: Group) -> tuple[Any, ...]:
    """Equal for groups that do the same to values of the same type, with weights of their own."""
    place: dict[Node, int] = {}
    outside: dict[Value, int] = {}
    found = []
    for node in group.all_nodes():
        wires: list[Any] = []
        for x in node.operands:
            if x.node in place:
                wires.append((place[x.node], x.index))
            elif x.node.op in SOURCES and x not in group.inputs:
                wires.append(("weight", x.type))
            else:
                wires.append(("in", outside.setdefault(x, len(outside)), x.type))
        place[node] = len(place)
        found.append((node.op.name, node.attrs, tuple(y.type for y in node.outputs), tuple(wires), relative(node.path, group)))
    return (group.title, tuple(found))


def visible(root: Group, depth: int) -> Callable[[Group], bool]:
    """Whether a group is unfolded when groups are, `depth` deep."""
    return lambda group: group is root or group.level <= depth


def count_rows(root: Group, depth: int) -> int:
    """How many lines or boxes stand there, unfolded `depth` deep."""
    total, stack = 0, [(root, 0)]
    while stack:
        group, level = stack.pop()
        total += len(group.parts)
        if level < depth:
            stack.extend((p, level + 1) for p in group.parts if isinstance(p, Group))
    return total


def fitting_depth(root: Group, most: int) -> int:
    """The greatest depth that shows at most `most` parts; 0 where none does."""
    depth, rows = 0, count_rows(root, 0)
    while depth < DEEPEST:
        more = count_rows(root, depth + 1)
        if more == rows:
            return depth
        if more > most:
            return depth
        depth, rows = depth + 1, more
    return depth


def bounded(root: Group, most: int) -> bool:
    """Gather the parts of groups that have more than `most` into stretches; whether that was needed."""
    changed = False
    for group in list(_walk(root)):
        while len(group.parts) > most:
            changed = True
            size = -(-len(group.parts) // most)
            group.parts = [_stretch(group, group.parts[k : k + size]) for k in range(0, len(group.parts), size)]
    return changed


def _stretch(group: Group, parts: list[Group | Node]) -> Group | Node:
    if len(parts) == 1:
        return parts[0]
    names = [relative(p.path, group) for p in (parts[0], parts[-1])]
    head = parts[0].head if isinstance(parts[0], Group) else ""
    made = Group(f"{names[0]} … {names[1]}", group.path, parts, group, head=head, chunk=True)
    for part in parts:
        if isinstance(part, Group):
            part.parent = made
    inside = set(made.all_nodes())
    for node in inside:
        for x in node.operands:
            if x.node not in inside and x.node.op not in SOURCES:
                made.inputs[x] = None
    return made
