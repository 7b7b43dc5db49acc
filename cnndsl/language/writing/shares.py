"""Shared steps: several steps with the same path, hence the same weights.

A shared step stands under one path however often it is used, so its uses are stretches of steps that repeat the same
paths. Which of the prefixes of such a path is the shared step is not kept; the outermost that makes equal uses is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cnndsl.graph.graph import STATE, Node, Value
from cnndsl.graph.naming import is_op
from cnndsl.language.writing.said import CHANCE, Path, Said, unsaid


@dataclass(eq=False, slots=True)
class Share:
    """A shared step. uses: the steps of each. comes: the value that comes into each. result: what each gives. written: the
    use that its text is written from."""

    path: Path
    uses: list[list[Node]]
    comes: list[Value]
    result: list[Value | None]
    written: int
    of: dict[Node, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.of = {node: k for k, nodes in enumerate(self.uses) for node in nodes}


def find_shares(said: Said, nodes: Sequence[Node], depth: int, known: Mapping[Node, Share]) -> list[Share]:
    """The shared steps among `nodes` whose paths are longer than `depth`, but for those that are `known`; one that uses
    another comes after it. Raises E646 where steps have one path and are none."""
    count = Counter(said.path[n] for n in nodes if said.path[n])
    shared = [n for n in nodes if count[said.path[n]] > 1]
    found: list[Share] = []
    done = set(known)
    while wanted := [n for n in shared if n not in done]:
        before, tried = len(found), set[Path]()
        for node in wanted:
            for length in range(depth + 1, len(said.path[node])):
                path = said.path[node][:length]
                share = _share(said, nodes, path, done) if node not in done and path not in tried else None
                tried.add(path)
                if share is not None:
                    found.append(share)
                    done.update(share.of)
        if len(found) == before:
            for node in wanted:
                if node.op.weights or node.op.name in CHANCE:
                    raise unsaid(node, "another step has its path, and they are not uses of one shared step")
                said.path[node] = ()  # any path will do, as for a step without one
            break
    return found


def _share(said: Said, nodes: Sequence[Node], path: Path, done: Collection[Node]) -> Share | None:
    """The uses of the shared step at `path`, if that is one: as many as can be."""
    if is_op(path[-1]) or (len(path) == 1 and path[0] in said.graph.inputs):
        return None  # no shared step can be called so: one further in is
    inside = [n for n in nodes if said.path[n][: len(path)] == path]
    for count in range(len(inside), 1, -1):
        if len(inside) % count:
            continue
        size = len(inside) // count
        uses = [_stretch(said, inside[k * size : (k + 1) * size], done) for k in range(count)]
        share = _uniform(said, path, [u for u in uses if u is not None]) if None not in uses else None
        if share is not None:
            return share
    return None


def _stretch(said: Said, nodes: list[Node], done: Collection[Node]) -> list[Node] | None:
    """One use without a gap; in gaps may stand uses of other shared steps."""
    stretch = said.nodes[said.position[nodes[0]] : said.position[nodes[-1]] + 1]
    own = set(nodes)
    return stretch if all(n in own or n in done for n in stretch) else None


def _uniform(said: Said, path: Path, uses: list[list[Node]]) -> Share | None:
    """The shared step whose uses these are, where each does the same to one value and gives one on."""
    if any(len(nodes) != len(uses[0]) for nodes in uses):
        return None
    comes: list[Value] = []
    signatures = []
    for k, nodes in enumerate(uses):
        place = {n.outputs[0]: j for j, n in enumerate(nodes)}
        entering = [x for n in nodes for x in said.flows[n] if x not in place]
        others = {x for n in uses[k - 1] for x in said.flows[n]}
        if not entering:
            return None
        comes.append(next((x for x in entering if x not in others), entering[0]))
        signatures.append([_signature(said, n, place, comes[k]) for n in nodes])
    results = _results(said, uses)
    if results is None or any(s != signatures[0] for s in signatures):
        return None
    return Share(path, uses, comes, *results)


def _signature(said: Said, node: Node, place: dict[Value, int], comes: Value) -> Any:
    wires: list[Any] = [place.get(x, "comes" if x is comes else x) for x in said.flows[node]]
    weights = [x.node.attrs.name for x in node.operands if x.node.op is STATE]
    return (node.op.name, node.attrs, said.path[node], wires, weights)


def _results(said: Said, uses: list[list[Node]]) -> tuple[list[Value | None], int] | None:
    """What each use gives on: at most one value, the same in each, or nothing where nobody takes any; and the first use
    that is taken from. None where that is not so."""
    found: dict[int, int] = {}
    for use, nodes in enumerate(uses):
        inside = set(nodes)
        for k, node in enumerate(nodes):
            x = node.outputs[0]
            if x in said.final or any(u not in inside for u in said.users.get(x, ())):
                found.setdefault(k, use)
    if len(found) > 1:
        return None
    at, use = next(iter(found.items()), (None, 0))
    return [nodes[at].outputs[0] if at is not None else None for nodes in uses], use
