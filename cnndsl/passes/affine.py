"""Which nodes are a scale and a shift: y = slope · x + shift, both known for each channel before anything runs.

Batch norm with running statistics is one, so are `scale`, and products and sums with a vector of weights. Looked for
in the node's expression, so a new pointwise op needs no entry anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnndsl.graph.expr import Expr, call, evaluate, ordered, substitute, variables, wrap
from cnndsl.graph.graph import Graph, Node, Origin, Value
from cnndsl.ops.pointwise import PointwiseAttrs


@dataclass(frozen=True)
class Affine:
    """node = slope · operands[at] + shift.

    root, slope, shift: expressions over the node's operands; slope and shift read only those known for each channel.
    shift is None where there is none.
    """

    node: Node
    at: int
    root: Expr
    slope: Expr
    shift: Expr | None

    @property
    def x(self) -> Value:
        return self.node.operands[self.at]


def affine_of(node: Node, fixed: list[bool]) -> Affine | None:
    """`node` as a scale and a shift of its one operand that is not fixed; None: it is not one."""
    if node.op.pointwise is None or len(node.outputs) != 1:
        return None
    y = node.outputs[0].type
    moving = list(dict.fromkeys(x for x in node.operands if not fixed[x.node.id]))
    if len(moving) != 1 or moving[0].type != y or y.rank < 2:
        return None
    at = node.operands.index(moving[0])
    if any(fixed[x.node.id] and not per_channel(x, y.sizes[-1]) for x in node.operands):
        return None
    names = variables(len(node.operands))
    same = [names[node.operands.index(x)] for x in node.operands]
    root = substitute(node.op.expressions(node.attrs, len(names))[0], same)
    found = split(root, at)
    return Affine(node, at, root, *found) if found is not None else None


def per_channel(x: Value, channels: int) -> bool:
    """Whether `x` is one number, or one for each channel on the last axis."""
    return x.type.elements == 1 or (x.type.elements == channels and x.type.sizes[-1] == channels)


def split(root: Expr, index: int) -> tuple[Expr, Expr | None] | None:
    """(slope, shift) with root = slope · variable + shift, neither of them with that variable; None: root is not so."""
    parts: dict[Expr, tuple[Expr | None, Expr | None] | None] = {}  # None for a slope: it does not depend on the variable
    for e in ordered([root]):
        parts[e] = (wrap(1.0), None) if e.fn == "var" and e.value == index else _split(e, [parts[a] for a in e.args])
    found = parts[root]
    return (found[0], found[1]) if found is not None and found[0] is not None else None


def _split(e: Expr, args: list[tuple[Expr | None, Expr | None] | None]) -> tuple[Expr | None, Expr | None] | None:
    if any(a is None for a in args):
        return None
    slopes = [a[0] for a in args if a is not None]
    shifts = [a[1] for a in args if a is not None]
    if all(s is None for s in slopes):
        return None, e
    if e.fn == "neg":
        return _map("neg", slopes[0]), _map("neg", shifts[0])
    if e.fn in ("add", "sub"):
        return _sum(e.fn, *slopes), _sum(e.fn, *shifts)
    if e.fn == "mul" and slopes[1] is None:
        return _map("mul", slopes[0], e.args[1]), _map("mul", shifts[0], e.args[1])
    if e.fn == "mul" and slopes[0] is None:
        return _map("mul", slopes[1], e.args[0]), _map("mul", shifts[1], e.args[0])
    if e.fn == "div" and slopes[1] is None:
        return _map("div", slopes[0], e.args[1]), _map("div", shifts[0], e.args[1])
    return None


def _map(fn: str, x: Expr | None, *more: Expr) -> Expr | None:
    return None if x is None else call(fn, x, *more)


def _sum(fn: str, x: Expr | None, y: Expr | None) -> Expr | None:
    if x is None or y is None:
        return x if y is None else y if fn == "add" else call("neg", y)
    return call(fn, x, y)


def channel_vectors(out: Graph, values: dict[int, Value]) -> dict[int, Value]:
    """Operands by number, each a number () or a vector, whatever shape of one number a channel it had."""
    found = {}
    for i, v in values.items():
        found[i] = v if v.type.rank < 2 else out.view(v, shape=(v.type.elements,))
    return found


def computed(out: Graph, e: Expr, values: dict[int, Value], origin: Origin) -> Value | float:
    """The value of `e` in `out`, its variables being `values`; a number where it reads none."""
    used = sorted({x.value for x in ordered([e]) if x.fn == "var"})
    if not used:
        return float(evaluate(np, e, ()))
    if e.fn == "var":
        return values[e.value]
    names = dict(zip(used, variables(len(used)), strict=True))
    inner = [names.get(i, wrap(0.0)) for i in range(used[-1] + 1)]
    return out.add("pointwise", [values[i] for i in used], PointwiseAttrs((substitute(e, inner),)), origin)[0]
