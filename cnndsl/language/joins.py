"""Joins: their branches must agree exactly, and messages say which does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cnndsl.errors import CnnError, Label, Span, error
from cnndsl.graph.graph import Graph, Value
from cnndsl.graph.joins import JOINS, check_count, difference, stretched, widest
from cnndsl.graph.op import Op
from cnndsl.language.evaluate import drawn_type, placed_at
from cnndsl.language.scope import POISON, Poisoned
from cnndsl.language.syntax import tree


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
    try:
        check_count(op, len(parts))
    except CnnError as e:
        raise placed_at(e, x.span) from None
    first = parts[widest([p.value.type for p in parts])]
    for part in parts:
        how, a, b = difference(op, attrs, first.value.type, part.value.type)
        if how:
            _differ(op, first, part, how, f"{a} and {b}")
    return [stretched(graph, op, p.value, first.value) for p in parts]


def _differ(op: Op, first: Part, part: Part, how: str, sizes: str) -> None:
    help = None
    if how == "channels" and op.name in ("add", "maximum", "subtract"):
        help = f"project one of them: {part.label}: conv({first.value.type.channels}, 1x1)"
    elif op.name == "multiply":
        help = "a gate beside HxWxC has the shape C or HxWx1"
    elif how == "size" and op.name == "concat":
        help = "concat(fit = crop) crops the larger around its centre"
    raise error(
        "E312",
        f"{op.name}: branches differ in {how}: {sizes}",
        part.span,
        label=drawn_type(part.value),
        related=(Label(first.span, drawn_type(first.value)),),
        help=help,
    )


__all__ = ["JOINS", "Part", "fitted"]
