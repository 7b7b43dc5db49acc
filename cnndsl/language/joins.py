"""Joins: their branches must agree exactly; only `multiply` takes gates, only `concat(fit = crop)` crops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cnndsl.errors import Label, Span, error
from cnndsl.graph.graph import Graph, Value
from cnndsl.graph.op import Op
from cnndsl.language.evaluate import drawn_type
from cnndsl.language.scope import POISON, Poisoned
from cnndsl.language.syntax import tree

JOINS = ("concat", "add", "subtract", "multiply", "maximum")


@dataclass(frozen=True, slots=True)
class Part:
    """One branch: its label, its value, and where it is written."""

    label: str
    value: Any
    span: Span


def fitted(graph: Graph, op: Op, attrs: Any, parts: Sequence[Part], x: tree.Invoke) -> list[Value]:
    """The values of the branches, ready for the op. Raises E312, E317; Poisoned where one is poison."""
    if any(p.value is POISON or p.value is None for p in parts):
        raise Poisoned
    if not parts:
        raise error("E317", f"{op.name} has no branches", x.span)
    if op.name == "subtract" and len(parts) not in (1, 2):
        raise error("E317", f"subtract takes two branches, not {len(parts)}", x.span)
    widest = max(parts, key=lambda p: p.value.type.rank)
    found = []
    for part in parts:
        _agree(op, attrs, widest, part)
        found.append(_gate(graph, part.value, widest.value) if op.name == "multiply" else part.value)
    return found


def _agree(op: Op, attrs: Any, first: Part, part: Part) -> None:
    a, b = first.value.type, part.value.type
    if a.shape == b.shape or (op.name == "multiply" and _is_gate(b.shape[1:], a.shape[1:])):
        return
    if a.rank != b.rank:
        _differ(op, first, part, "in rank", f"{drawn_type(first.value)} and {drawn_type(part.value)}")
    if a.space != b.space and getattr(attrs, "fit", "exact") != "crop":
        size = "x".join(map(str, a.space)), "x".join(map(str, b.space))
        _differ(op, first, part, "in size", " and ".join(size))
    if op.name != "concat" and a.channels != b.channels:
        _differ(op, first, part, "in channels", f"{a.channels} and {b.channels}")


def _is_gate(gate: Sequence[Any], sizes: Sequence[Any]) -> bool:
    """C, or HxWx1, beside HxWxC."""
    return tuple(gate) == (sizes[-1],) or tuple(gate) == (*sizes[:-1], 1)


def _gate(graph: Graph, gate: Value, value: Value) -> Value:
    """A gate of C numbers, given the axes of `value` to stretch over."""
    if gate.type.rank == value.type.rank:
        return gate
    spread: Value = graph.spread(gate, rank=value.type.rank, origin=gate.node.origin)
    return spread


def _differ(op: Op, first: Part, part: Part, how: str, sizes: str) -> None:
    help = None
    if how == "in channels" and op.name in ("add", "maximum", "subtract"):
        help = f"project one of them: {part.label}: conv({first.value.type.channels}, 1x1)"
    elif op.name == "multiply":
        help = "a gate beside HxWxC has the shape C or HxWx1"
    elif how == "in size" and op.name == "concat":
        help = "concat(fit = crop) crops the larger around its centre"
    raise error(
        "E312",
        f"{op.name}: branches differ {how}: {sizes}",
        part.span,
        label=drawn_type(part.value),
        related=(Label(first.span, drawn_type(first.value)),),
        help=help,
    )
