"""A graph as text that people read and `parse_graph` reads back: one line a node, with its types.

    graph "tiny" {
      state "conv.weight": float32[3,3,1,4] fan_in=9
      %image = input "image" batched -> float32[8,28,28,1] @ "image"
      %conv.weight = state "conv.weight" -> float32[3,3,1,4] @ "conv"
      %conv = conv(%image, %conv.weight) filters=4 kernel=(3, 3) … -> float32[8,26,26,4] @ "conv"
      %conv.pointwise = pointwise(%conv) exprs=([max(x0, 0.0)]) -> float32[8,26,26,4] @ "conv"
      output "output" = %conv.pointwise
    }

Nodes are called by their paths, so that two stages of a graph differ only where a pass changed something; attributes that
are as nobody wrote them are left out. An expression is a list of steps; `$0` is the first step's value, the last step is
the result. The inner graph of a fused node stands in its place in braces. Reading makes every node anew through its op's
shape rule.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from cnndsl.graph.expr import Expr, ordered
from cnndsl.graph.graph import CONSTANT, SOURCES, Graph, Node, Value

NAME = re.compile(r"[A-Za-z_][\w.]{0,200}", re.ASCII)


def to_text(graph: Graph, indent: str = "") -> str:
    """The text of `graph`. Ends with a newline at the outermost level."""
    pad = indent + "  "
    names = _names(graph)
    lines = [f"graph {quoted(graph.name)} {{"]
    lines += [f"{pad}state {quoted(s.name)}: {s.type}{_fields(s, ('name', 'type'), pad)}" for s in graph.state.values()]
    lines += [pad + _node(node, pad, names) for node in graph.nodes]
    for word, found in (("output", graph.outputs), ("update", graph.updates), ("name", graph.names), ("head", graph.heads)):
        lines += [f"{pad}{word} {quoted(key)} = {_ref(x, names)}" for key, x in found.items()]
    return "\n".join([*lines, indent + "}"]) + ("" if indent else "\n")


def _names(graph: Graph) -> dict[Node, str]:
    """A name for each node: its path, the state's or the input's own name; with the op, or a number, where that is taken."""
    found: dict[Node, str] = {}
    taken: set[str] = set()
    times: dict[str, int] = {}
    for node in graph.nodes:
        wish = node.attrs.name if node.op in SOURCES else node.path
        wish = wish if NAME.fullmatch(wish) else node.op.name
        if wish in taken and not wish.endswith(node.op.name):
            wish = f"{wish}.{node.op.name}"
        name = wish
        while name in taken:
            times[wish] = times.get(wish, 1) + 1
            name = f"{wish}.{times[wish]}"
        taken.add(name)
        found[node] = name
    return found


def _node(node: Node, pad: str, names: dict[Node, str]) -> str:
    types = ", ".join(str(y.type) for y in node.outputs)
    at = f" @ {quoted(node.path)}" if node.path else ""
    if node.op in SOURCES:
        a = node.attrs
        what = f" {literal(a.data)}" if node.op is CONSTANT else f" {quoted(a.name)}"
        return f"%{names[node]} = {node.op.name}{what}{' batched' if a.batched else ''} -> {types}{at}"
    operands = ", ".join(_ref(x, names) for x in node.operands)
    return f"%{names[node]} = {node.op.name}({operands}){_fields(node.attrs, (), pad)} -> {types}{at}"


def _fields(record: Any, without: tuple[str, ...], pad: str) -> str:
    """` name=value` for each field that does not hold its default: a number or a text that equals it, and is of its type."""
    found = []
    for f in dataclasses.fields(record):
        x = getattr(record, f.name)
        default = type(x) is type(f.default) and x == f.default and repr(x) == repr(f.default)
        if f.name not in without and not default:
            found.append(f" {f.name}={literal(x, pad)}")
    return "".join(found)


def _ref(x: Value, names: dict[Node, str]) -> str:
    return f"%{names[x.node]}:{x.index}" if x.index else f"%{names[x.node]}"


def quoted(text: str) -> str:
    """`text` in double quotes, control characters and what is not ASCII escaped."""
    import json

    return json.dumps(text)


def literal(x: Any, pad: str = "") -> str:
    """An attribute's value as text."""
    if x is None or isinstance(x, bool):
        return {None: "none", True: "true", False: "false"}[x]
    if isinstance(x, str):
        return quoted(x)
    if isinstance(x, (tuple, list)):
        return f"({', '.join(literal(p, pad) for p in x)})"
    if isinstance(x, Expr):
        return _expr(x)
    if isinstance(x, Graph):
        return to_text(x, pad)
    return repr(x)


def _expr(root: Expr) -> str:
    text: dict[Expr, str] = {}
    steps: list[str] = []
    for x in ordered([root]):
        if x.fn == "var":
            text[x] = f"x{x.value}"
        elif x.fn == "const":
            text[x] = literal(x.value)
        else:
            kind = f":{x.value}" if x.fn == "cast" else ""
            steps.append(f"{x.fn}{kind}({', '.join(text[a] for a in x.args)})")
            text[x] = f"${len(steps) - 1}"
    return f"[{'; '.join(steps) if steps else text[root]}]"
