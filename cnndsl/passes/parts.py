"""A step in parts: what is summed over several runs of one graph, each on its own part of a batch.

    s ← x            in part 0
    s ← s + x        in parts 1 … k − 1

The rank-0 input `part` says which part a run is on. A sum is a state of its own; since part 0 begins it anew, whatever
a step that was broken off has left in it is of no account, and no checkpoint needs it.
"""

from __future__ import annotations

from cnndsl.graph.graph import INPUT, Graph, Origin, State, Value
from cnndsl.graph.types import TensorType

PART = "part"


def part_input(graph: Graph) -> Value:
    """The number of the part, from 0: an input of the graph, made where it is not there yet."""
    found = graph.inputs.get(PART)
    return graph.source(INPUT, PART, TensorType((), "int32"), Origin(PART)) if found is None else found


def summed(graph: Graph, name: str, x: Value, head: str = "") -> Value:
    """`x` added up over the parts so far, kept in the state `name`. head: the head that it belongs to, where it does."""
    origin = Origin(name)
    old = graph.add_state(State(name, x.type, kind="sum", head=head), origin)
    new = graph.pointwise(
        lambda e, p, s, v: e.select(e.eq(p, 0), v, s + v), part_input(graph), old, x, origin=origin
    )  # fmt: skip
    graph.update(name, new)
    return new
