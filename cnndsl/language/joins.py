"""Joins: their branches must agree exactly, and messages say which does not, and what would make it fit."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cnndsl.errors import CnnError, Label, Span, error
from cnndsl.graph.graph import Graph, Node, Value
from cnndsl.graph.joins import JOINS, check_count, difference, stretched, widest
from cnndsl.graph.op import Op
from cnndsl.graph.types import drawn
from cnndsl.language.evaluate import drawn_type, placed_at
from cnndsl.language.scope import POISON, Poisoned, listed
from cnndsl.language.syntax import tree

MOST_SHOWN = 8
"""Branches whose shapes a message shows."""


@dataclass(frozen=True, slots=True)
class Part:
    """One branch: its label, its value, and where it is written."""

    label: str
    value: Any
    span: Span


def fitted(graph: Graph, op: Op, attrs: Any, parts: Sequence[Part], x: tree.Invoke, incoming: Any) -> list[Value]:
    """The values of the branches, ready for the op. incoming: the value that flows into the join. Raises E312, E317;
    Poisoned where one is poison."""
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
            others = [p for p in parts if p is not part and (p is first or len(parts) <= MOST_SHOWN)]
            raise error(
                "E312",
                f"{op.name}: branches differ in {how}: {a} and {b}",
                part.span,
                label=drawn_type(part.value),
                related=tuple(Label(p.span, drawn_type(p.value)) for p in others),
                help=_mend(op, parts, first, part, how, incoming),
            )
    return [stretched(graph, op, p.value, first.value) for p in parts]


def _mend(op: Op, parts: Sequence[Part], first: Part, part: Part, how: str, incoming: Any) -> str | None:
    """What would make the branches fit."""
    if op.name == "multiply":
        return "a gate beside HxWxC has the shape C or HxWx1"
    if how == "rank":
        return f"{part.label} was flattened, or pooled to one number a channel: join before that"
    if op.name != "concat":
        skip = next((p for p in (part, first) if _same(p.value, incoming)), None)
        other = first if skip is part else part
        stride = _stride(skip.value.type.space, other.value.type.space) if skip is not None else 0
        if skip is not None and stride:
            more = f", stride = {stride}" if stride > 1 else ""
            return f"a projection makes them fit: {skip.label}: conv({other.value.type.channels}, 1x1{more})"
        if how == "channels":
            return f"a projection makes them fit: {part.label}: conv({first.value.type.channels}, 1x1)"
    crop = "concat(fit = crop) crops the larger around its centre" if op.name == "concat" else None
    return _kept([first, part] if op.name != "concat" else parts, incoming) or crop


def _same(value: Value, incoming: Any) -> bool:
    """Whether a branch is the value that flows in, unchanged."""
    return isinstance(incoming, Value) and _real(value) is _real(incoming)


def _real(x: Value) -> Value:
    while x.node.op.name == "identity":
        x = x.node.operands[0]
    return x


def _stride(before: Sequence[Any], after: Sequence[Any]) -> int:
    """The stride of a 1x1 convolution from one size to the other; 0 where there is none."""
    if not all(isinstance(n, int) for n in (*before, *after)):
        return 1 if tuple(before) == tuple(after) else 0
    most = range(1, 17)
    return next((s for s in most if all((n - 1) // s + 1 == m for n, m in zip(before, after, strict=True))), 0)


def _kept(parts: Sequence[Part], incoming: Any) -> str | None:
    """The steps that take away from the size that flows in, written so that they keep it; or which stride is to blame."""
    if not isinstance(incoming, Value):
        return None
    wanted = incoming.type.space
    there = any(p.value.type.space == wanted for p in parts)
    told: dict[str, list[str]] = {}
    strided: list[str] = []
    for part in parts:
        if part.value.type.space == wanted:
            continue
        for node in _changing(part.value, incoming):
            written = _keeping(node)
            if written is None:
                strided.append(part.label)
                break
            told.setdefault(part.label, []).append(written)
    if strided and there:
        return f"{listed(strided)} changes the size by its stride: every branch needs the same strides"
    if strided or not told:
        return None
    size, parts_told = drawn(wanted), [f"{label}: {' and '.join(dict.fromkeys(steps))}" for label, steps in told.items()]
    if len(told) <= 3 and all(len(t) <= 120 for t in parts_told):
        return f"this keeps {size}: {'; '.join(parts_told)}"
    return f"pad = same keeps {size} in {listed(told)}; a pool also needs stride = 1"


def _changing(x: Value, incoming: Value) -> list[Node]:
    """The steps behind a branch's value that change the size, back to the value that flows in."""
    found: list[Node] = []
    while x is not incoming and x.node.operands and x.node.op.name not in JOINS:
        before = x.node.operands[0]
        if before.type.rank == x.type.rank and before.type.space != x.type.space:
            found.append(x.node)
        x = before
    return found[::-1]


def _keeping(node: Node) -> str | None:
    """`conv(8, 3x3, pad = same)` for a step that lost its rim; None for one with a stride of its own, or padding."""
    span = node.origin.span
    text = span.source.text[span.start : span.end] if span is not None else ""
    if node.op.window is None or not text.endswith(")") or "\n" in text or len(text) > 60 or "pad" in text.partition("(")[2]:
        return None
    with suppress(CnnError):
        stride = node.op.window(node.op.resolved(node.attrs, *(v.type for v in node.operands)))[1]
        if all(s == 1 for s in stride):
            return f"{text[:-1]}, pad = same)"
        if node.op.name.endswith("pool") and node.attrs.stride is None:
            return f"{text[:-1]}, stride = 1, pad = same)"
    return None


__all__ = ["JOINS", "Part", "fitted"]
