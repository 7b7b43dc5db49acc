"""Algorithms chosen by measured times instead of predicted ones.

A lowering that has several ways to run a node lists them: label → `Choice`. Without a table, the least predicted time wins;
where a table of this machine is in use and knows the node's problem, the least measured one. A table only ranks what the
lowering lists itself: nothing in it ever reaches a program but the choice of one of these.

A problem is an op with its attributes and sizes, and the threads that are to share it: the planner asks for a whole batch
or for a worker's part of it, and both must get the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from cnndsl.graph.graph import Node
from cnndsl.graph.target import Choice

SURE = 1.03  # a prediction stands unless something else is that much faster: two measurements differ by as much
Candidates = Callable[[Node, int], Mapping[str, Choice]]
IDLE = ("bias", "init", "filters")  # attributes that change nothing for a kernel: a bias is part of the epilogue


@dataclass(frozen=True)
class Table:
    """problem → label → seconds, measured on so many threads. name: what tells this table from another.

    met: the problems that were looked up with success.
    """

    name: str
    threads: int
    times: Mapping[str, Mapping[str, float]]
    met: set[str] = field(default_factory=set, compare=False)


_USED: ContextVar[Table | None] = ContextVar("table", default=None)


@contextmanager
def using(table: Table | None) -> Iterator[None]:
    """Choose by this table, in this thread, until the block ends; None: by predictions."""
    token = _USED.set(table)
    try:
        yield
    finally:
        _USED.reset(token)


def in_use() -> Table | None:
    return _USED.get()


def problem(node: Node) -> str:
    """`conv kernel=(3, 3) stride=(1, 1) … 8x56x56x64, 3x3x64x64`: the same for every node that is the same work."""
    a = node.resolved
    fields = (f.name for f in node.op.fields() if f.name not in IDLE)
    said = " ".join(f"{name}={getattr(a, name)!r}" for name in fields)
    shapes = ", ".join(f"{x.type.dtype} {'x'.join(map(str, x.type.sizes))}" for x in node.operands[:2])
    return f"{node.op.name} {said}: {shapes}"


def times_of(node: Node) -> Mapping[str, float]:
    """label → measured seconds of the node's problem; empty where no table knows it."""
    table = _USED.get()
    if table is None:
        return {}
    name = problem(node)
    found = table.times.get(name, {})
    if found:
        table.met.add(name)
    return found


def measured(node: Node, workers: int, candidates: Candidates) -> Choice | None:
    """The candidate with the least measured time; None: nothing was measured, and predictions decide.

    The first that `candidates` lists is what would be predicted.
    """
    if _USED.get() is None:
        return None
    times = times_of(node)
    listed = candidates(node, workers) if times else {}
    best = fastest({label: times[label] for label in listed if label in times}, next(iter(listed), ""))
    return listed[best] if best else None


def fastest(times: Mapping[str, float], predicted: str) -> str:
    """The label to take; empty where nothing was measured."""
    best = min(times, key=lambda label: (times[label], label), default="")
    return predicted if best and predicted in times and times[predicted] <= SURE * times[best] else best


def shortlist(seconds: Mapping[Any, float], most: int = 5, factor: float = 2.0) -> list[Any]:
    """The keys with the least predictions: what is worth measuring. The first is the prediction's own choice."""
    ranked = sorted(seconds, key=lambda k: seconds[k])[:most]
    return [k for k in ranked if seconds[k] <= factor * seconds[ranked[0]]]
