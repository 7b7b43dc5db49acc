"""The parts of a text: bodies, branches, shared steps and heads, found in the paths of a graph's steps.

Steps keep their order. A stretch of steps under one more segment is a body of its own, where it gives one value on; a
stretch that gives more is cut. Stretches right before a join that takes what they give are its branches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf

from cnndsl.graph.graph import Node, Value
from cnndsl.graph.joins import JOINS
from cnndsl.language.writing.said import Path, Said, unsaid
from cnndsl.language.writing.shares import Share, find_shares


@dataclass(eq=False, slots=True)
class Part:
    """Something that gives a value. base: what it takes from the flow. local: whether it needs a name for the text."""

    value: Value | None
    base: Value | None
    local: bool = field(default=False, init=False)


@dataclass(eq=False, slots=True)
class Op(Part):
    """One step. segment: the last of its path; empty where any will do."""

    node: Node
    segment: str


@dataclass(eq=False, slots=True)
class Join(Part):
    """A join. branches: bodies under a label, or values. nested: whether the labels stand under its own segment."""

    node: Node
    segment: str
    branches: list[Branch | Value]
    nested: bool


@dataclass(eq=False, slots=True)
class Group(Part):
    """A body under a segment. once: whether all of that path is in it."""

    segment: str
    body: Body
    once: bool


@dataclass(eq=False, slots=True)
class Call(Part):
    """A use of a shared step."""

    share: Share


@dataclass(eq=False, slots=True)
class Head(Part):
    name: str
    body: Body


@dataclass(eq=False, slots=True)
class Branch:
    label: str
    body: Body


@dataclass(eq=False, slots=True)
class Body:
    """Parts in order. path: of the scope it stands in. gives: the value after it; None where nobody asks."""

    path: Path
    parts: list[Part]
    gives: Value | None

    @property
    def base(self) -> Value | None:
        """What it takes from the flow first."""
        return self.parts[0].base if self.parts else self.gives


@dataclass(slots=True)
class _Run:
    """A stretch of steps under one segment, not yet a part."""

    segment: str
    nodes: list[Node]


@dataclass(slots=True)
class _Use:
    share: Share
    index: int


_Unit = Node | _Run | _Use


class Parts:
    """Builds the parts of a graph. plain: joins whose branches are to stand before them, not inside."""

    def __init__(self, said: Said, plain: set[Node]) -> None:
        self.said = said
        self.plain = plain
        self.shares: dict[Node, Share] = {}
        self.bodies: dict[Share, Body] = {}
        self.visits: dict[Path, int] = {}

    def model(self) -> Body:
        """The model's own body, and the bodies of all shared steps."""
        heads = self._heads()
        main = [n for n in self.said.nodes if n not in heads]
        for nodes in (main, list(heads)):
            self._share(nodes, 0)
        body = self.body((), main, None)
        for name, value in self.said.graph.heads.items():
            self._head(body, name, [n for n in heads if heads[n] == name], value)
        return body

    def _share(self, nodes: Sequence[Node], depth: int) -> None:
        """Find shared steps among `nodes`, write the body of each, and within it those inside."""
        for share in find_shares(self.said, nodes, depth, self.shares):
            nodes = share.uses[share.written]
            self._share(nodes, len(share.path))
            self.bodies[share] = self.body(share.path, nodes, share.result[share.written])
            self.shares.update(dict.fromkeys(share.of, share))

    def body(self, path: Path, nodes: Sequence[Node], gives: Value | None) -> Body:
        """The body of `nodes`, which stand under `path`."""
        found: list[Part | _Run] = []
        for unit in self._units(path, nodes):
            if isinstance(unit, _Run):
                found.append(unit)
            elif isinstance(unit, _Use):
                share, k = unit.share, unit.index
                found.append(Call(share.result[k], share.comes[k], share))
            elif unit.op.name in JOINS:
                found.append(self._join(path, unit, found))
            else:
                segment = self.said.path[unit][-1] if self.said.path[unit] else ""
                found.append(Op(unit.outputs[0], self.said.flows[unit][0], unit, segment))
        parts: list[Part] = []
        for x in found:
            parts.extend(self._groups(path, x) if isinstance(x, _Run) else (x,))
        return Body(path, parts, gives)

    def _units(self, path: Path, nodes: Sequence[Node]) -> Iterator[_Unit]:
        """Steps of this body, stretches under one more segment, uses of shared steps."""
        depth, run, at = len(path), None, 0
        while at < len(nodes):
            node = nodes[at]
            share = self.shares.get(node)
            if share is not None and share.path[:-1] == path[: len(share.path) - 1]:
                size = len(share.uses[0])
                after = nodes[at + size] if at + size < len(nodes) else None
                if run is not None and after is not None and self._segment(after, depth) == run.segment:
                    run.nodes += nodes[at : at + size]  # used within a stretch
                else:
                    if run is not None:
                        yield run
                    run = None
                    yield _Use(share, share.of[node])
                at += size
                continue
            if self.said.path[node] and self.said.path[node][:depth] != path:
                raise unsaid(node, f"it stands in {'.'.join(path)}, which its path does not say")
            segment = self._segment(node, depth)
            if run is not None and segment != run.segment:
                yield run
                run = None
            if not segment:
                yield node
            elif run is None:
                run = _Run(segment, [node])
            else:
                run.nodes.append(node)
            at += 1
        if run is not None:
            yield run

    def _segment(self, node: Node, depth: int) -> str:
        """The segment of the stretch that `node` belongs to in a body `depth` deep; empty for a step of the body."""
        path = self.said.path[node]
        return path[depth] if len(path) > depth + 1 else ""

    # Joins -------------------------------------------------------------------------------------------------------

    def _join(self, path: Path, node: Node, found: list[Part | _Run]) -> Join:
        """The join, with the stretches at the end of `found` that are its branches, which are taken from there."""
        own = self.said.path[node]
        segment = own[-1] if own else ""
        last = found[-1] if found else None
        if node not in self.plain and isinstance(last, _Run) and last.segment == segment:
            inner: list[Part | _Run] = []
            inside = (*path, segment)
            for unit in self._units(inside, last.nodes):
                if not isinstance(unit, _Run):
                    break
                inner.append(unit)
            else:
                branches = self._branches(inside, node, inner)
                if not inner:
                    found.pop()
                    self._visit(inside)
                    return self._joined(node, segment, branches, True)
        branches = list(self.said.flows[node]) if node in self.plain else self._branches(path, node, found)
        return self._joined(node, segment, branches, False)

    def _joined(self, node: Node, segment: str, branches: list[Branch | Value], nested: bool) -> Join:
        bases = [b.body.base for b in branches if isinstance(b, Branch)]
        base = max(bases, key=bases.count) if bases else None
        return Join(node.outputs[0], base, node, segment, branches, nested)

    def _branches(self, path: Path, node: Node, found: list[Part | _Run]) -> list[Branch | Value]:
        """The operands of a join, from the last to the first: a stretch that gives only it, or a value."""
        branches: list[Branch | Value] = []
        for x in reversed(self.said.flows[node]):
            run = found[-1] if found else None
            taken = self.said.users[x] == [node] and x not in self.said.final
            if isinstance(run, _Run) and taken and self._exits(run.nodes) == [x]:
                found.pop()
                inside = (*path, run.segment)
                self._visit(inside)
                branches.append(Branch(run.segment, self.body(inside, run.nodes, x)))
            else:
                branches.append(x)
        return branches[::-1]

    def _exits(self, nodes: Sequence[Node]) -> list[Value]:
        """The values that `nodes` give on, in order."""
        inside, said = set(nodes), self.said
        made = (n.outputs[0] for n in nodes)
        return [x for x in made if x in said.final or any(u not in inside for u in said.users.get(x, ()))]

    # Stretches ---------------------------------------------------------------------------------------------------

    def _groups(self, path: Path, run: _Run) -> Iterator[Group]:
        """A stretch as a body under its segment; as several where it gives several values on."""
        inside = (*path, run.segment)
        pieces = list(self._pieces(run.nodes))
        for _ in pieces:
            self._visit(inside)
        for nodes in pieces:
            exits = self._exits(nodes)
            body = self.body(inside, nodes, exits[0] if exits else None)
            yield Group(exits[0] if exits else None, body.base, run.segment, body, self.visits[inside] == 1)

    def _pieces(self, nodes: Sequence[Node]) -> Iterator[list[Node]]:
        """`nodes` cut so that each piece gives at most one value on, each as long as can be. A use of a shared step is
        not cut."""
        said, inside = self.said, set(nodes)
        last: dict[Value, float] = {}
        for n in nodes:
            users = said.users.get(n.outputs[0], ())
            outside = n.outputs[0] in said.final or any(u not in inside for u in users)
            last[n.outputs[0]] = inf if outside else max((said.position[u] for u in users), default=-1)
        start = 0
        while start < len(nodes):
            open_: set[Value] = set()
            end = best = start
            while end < len(nodes):
                share = self.shares.get(nodes[end])
                size = len(share.uses[0]) if share is not None else 1
                for node in nodes[end : end + size]:
                    open_.difference_update([x for x in said.flows[node] if last.get(x) == said.position[node]])
                    if last[node.outputs[0]] >= 0:
                        open_.add(node.outputs[0])
                end += size
                if len(open_) <= 1:
                    best = end
            if best == start:
                raise unsaid(nodes[start], "a shared step gives several values on")
            yield list(nodes[start:best])
            start = best

    def _visit(self, path: Path) -> None:
        self.visits[path] = self.visits.get(path, 0) + 1

    # Heads -------------------------------------------------------------------------------------------------------

    def _heads(self) -> dict[Node, str]:
        """The steps of heads, each with its head: those under its segment, where their weights say so."""
        said, found = self.said, {}
        public = {*said.graph.outputs.values(), *said.graph.names.values()}
        for name, value in said.graph.heads.items():
            segment = self._head_segment(name, value)
            nodes = [n for n in said.nodes if said.path[n][:1] == (segment,) and len(said.path[n]) > 1]
            inside = set(nodes)
            made = [n.outputs[0] for n in nodes]
            leaves = any(x in public or any(u not in inside for u in said.users.get(x, ())) for x in made)
            if not leaves and all(said.heads[n] == name for n in nodes if n in said.heads):
                found.update(dict.fromkeys(nodes, name))
        for node, name in said.heads.items():
            if name and found.get(node) != name:
                raise unsaid(node, f"its weights belong to the head {name}, and it does not stand in it alone")
        return found

    def _head_segment(self, name: str, value: Value) -> str:
        """The first segment of a head's paths: its name, with a number where the model's body had that word before."""
        for node in (*(n for n, head in self.said.heads.items() if head == name), value.node):
            path = self.said.path.get(node, ())
            if len(path) > 1 and path[0].startswith(name) and path[0][len(name) :].isdecimal():
                return path[0]
        return name

    def _head(self, body: Body, name: str, nodes: list[Node], value: Value) -> None:
        """Put a head into the model's body, behind the parts that it needs, those whose steps stand before its own, and the
        heads before it, whose order counts."""
        said = self.said
        inner = self.body((self._head_segment(name, value),), nodes, value)
        needed = {x for n in nodes for x in said.flows[n]} | {value}
        first = said.position[nodes[0]] if nodes else -1
        at = 0
        for k, part in enumerate(body.parts):
            x = part.value
            if isinstance(part, Head) or (x is not None and (x in needed or said.position[x.node] < first)):
                at = k + 1
        body.parts.insert(at, Head(None, inner.base, name, inner))


__all__ = ["Body", "Branch", "Call", "Group", "Head", "Join", "Op", "Part", "Parts"]
