"""A graph as text that people read and `parse_graph` reads back: one line a node, with its types.

    graph "tiny" {
      state "conv.weight": float32[3,3,1,4] kind="parameter" init="he_normal" fan_in=9 decay=true head=""
      %0 = input "image" batched -> float32[8,28,28,1]
      %1 = state "conv.weight" -> float32[3,3,1,4]
      %2 = conv(%0, %1) filters=4 kernel=(3, 3) … -> float32[8,26,26,4] @ "conv"
      %3 = pointwise(%2) exprs=([max(x0, 0.0)]) -> float32[8,26,26,4]
      output "output" = %3
    }

An expression is a list of steps; `$0` is the first step's value, the last step is the result. The inner graph of a
fused node stands in its place in braces. Reading makes every node anew through its op's shape rule.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from cnndsl.graph.expr import Expr, ordered
from cnndsl.graph.graph import CONSTANT, SOURCES, Graph, Node, Value


def to_text(graph: Graph, indent: str = "") -> str:
    """The text of `graph`. Ends with a newline at the outermost level."""
    pad = indent + "  "
    lines = [f"graph {quoted(graph.name)} {{"]
    lines += [f"{pad}state {quoted(s.name)}: {s.type}{_fields(s, ('name', 'type'), pad)}" for s in graph.state.values()]
    lines += [pad + _node(node, pad) for node in graph.nodes]
    for word, found in (("output", graph.outputs), ("update", graph.updates), ("name", graph.names), ("head", graph.heads)):
        lines += [f"{pad}{word} {quoted(key)} = {_ref(x)}" for key, x in found.items()]
    return "\n".join([*lines, indent + "}"]) + ("" if indent else "\n")


def _node(node: Node, pad: str) -> str:
    types = ", ".join(str(y.type) for y in node.outputs)
    at = f" @ {quoted(node.path)}" if node.path else ""
    if node.op in SOURCES:
        a = node.attrs
        what = f" {literal(a.data)}" if node.op is CONSTANT else f" {quoted(a.name)}"
        return f"%{node.id} = {node.op.name}{what}{' batched' if a.batched else ''} -> {types}{at}"
    operands = ", ".join(map(_ref, node.operands))
    return f"%{node.id} = {node.op.name}({operands}){_fields(node.attrs, (), pad)} -> {types}{at}"


def _fields(record: Any, without: tuple[str, ...], pad: str) -> str:
    names = (f.name for f in dataclasses.fields(record) if f.name not in without)
    return "".join(f" {name}={literal(getattr(record, name), pad)}" for name in names)


def _ref(x: Value) -> str:
    return f"%{x.node.id}.{x.index}" if x.index else f"%{x.node.id}"


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
