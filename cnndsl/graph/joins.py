"""When values may be joined: shapes agree exactly; only `multiply` takes gates, only `concat(fit = crop)` crops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnndsl.errors import error
from cnndsl.graph.graph import Graph, Value
from cnndsl.graph.op import Op
from cnndsl.graph.types import TensorType, drawn

JOINS = ("concat", "add", "subtract", "multiply", "maximum")


def check_count(op: Op, count: int) -> None:
    """Refuse a number of branches that the op does not take: E317. One branch alone is that branch."""
    if not count:
        raise error("E317", f"{op.name} has no branches")
    if op.name == "subtract" and count > 2:
        raise error("E317", f"subtract takes two branches, not {count}")


def widest(types: Sequence[TensorType]) -> int:
    """Which of the operands the others are held against: the first of the greatest rank."""
    return max(range(len(types)), key=lambda k: types[k].rank)


def difference(op: Op, attrs: Any, a: TensorType, b: TensorType) -> tuple[str, str, str]:
    """How `b` does not fit beside `a`: `("channels", "256", "64")`, or size, or rank with the whole shapes. Empty where it
    does."""
    if a.shape == b.shape or (op.name == "multiply" and is_gate(b, a)):
        return ("", "", "")
    if a.rank != b.rank:
        return ("rank", drawn(a.shape[1:]), drawn(b.shape[1:]))
    if op.name != "concat" and a.space != b.space and a.channels != b.channels:
        return ("shape", drawn(a.shape[1:]), drawn(b.shape[1:]))
    if a.space != b.space and getattr(attrs, "fit", "exact") != "crop":
        return ("size", "x".join(map(str, a.space)), "x".join(map(str, b.space)))
    if op.name != "concat" and a.channels != b.channels:
        return ("channels", str(a.channels), str(b.channels))
    return ("", "", "")


def is_gate(gate: TensorType, value: TensorType) -> bool:
    """C, or HxWx1, beside HxWxC."""
    return gate.shape[1:] in ((value.channels,), (*value.space, 1))


def stretched(graph: Graph, op: Op, gate: Value, value: Value) -> Value:
    """Of `multiply`, a gate of C numbers with the axes of `value` to stretch over; any other operand as it is."""
    if op.name != "multiply" or gate.type.rank == value.type.rank:
        return gate
    spread: Value = graph.spread(gate, rank=value.type.rank, origin=gate.node.origin)
    return spread


def fitted(graph: Graph, op: Op, attrs: Any, values: Sequence[Value]) -> list[Value]:
    """The operands of a join in the graph API. Raises E312, E317."""
    check_count(op, len(values))
    first = values[widest([x.type for x in values])]
    for x in values:
        how, a, b = difference(op, attrs, first.type, x.type)
        if how:
            raise error("E312", f"{op.name}: branches differ in {how}: {a} and {b}")
    return [stretched(graph, op, x, first) for x in values]
