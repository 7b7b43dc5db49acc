"""What is known of a value's numbers before anything runs: the least and the greatest they can be.

By interval arithmetic over each pointwise op's own expression, so a new op needs no entry. Moore, "Interval
Analysis", 1966. NaN is in every interval.
"""

from __future__ import annotations

import math

from cnndsl.graph.expr import Expr, ordered, substitute, variables
from cnndsl.graph.graph import CONSTANT, Graph, Node, Value

Interval = tuple[float, float]
EVERYTHING: Interval = (-math.inf, math.inf)
CHOOSES = ("max_pool", "global_max_pool", "avg_pool", "global_avg_pool", "concat", "crop", "channel_shuffle", "space_to_depth",
           "depth_to_space")  # fmt: skip
"""Ops whose results lie among their operands' numbers."""
ADDS_ZEROS = ("pad", "take_part")
"""Ops that give their operand's numbers, and zeros; an avg_pool that counts its padding is one too."""


def ranges(graph: Graph) -> dict[Value, Interval]:
    """For each value the interval its numbers lie in."""
    found: dict[Value, Interval] = {}
    for node in graph.nodes:
        given = [found[x] for x in node.operands]
        for k, y in enumerate(node.outputs):
            found[y] = _of_node(node, k, given)
    return found


def _of_node(node: Node, index: int, given: list[Interval]) -> Interval:
    name = node.op.name
    if node.op is CONSTANT and node.attrs.data:
        return _narrow(float(min(node.attrs.data)), float(max(node.attrs.data)))
    if node.op.pointwise is not None:
        names = variables(len(given))
        same = [names[node.operands.index(x)] for x in node.operands]  # x · x is a square
        return bounds(substitute(node.op.expressions(node.attrs, len(given))[index], same), given)
    if name == "softmax":
        return 0.0, 1.0
    zeros = name in ADDS_ZEROS or getattr(node.attrs, "count_padding", False)
    if given and not zeros and (node.op.view or name in CHOOSES):
        return min(low for low, _ in given), max(high for _, high in given)
    if zeros:
        return min(given[0][0], 0.0), max(given[0][1], 0.0)
    return EVERYTHING


def bounds(root: Expr, given: list[Interval]) -> Interval:
    """The interval of `root` where its variables lie in `given`."""
    found: dict[Expr, Interval] = {}
    for e in ordered([root]):
        found[e] = given[e.value] if e.fn == "var" else _of_expr(e, [found[a] for a in e.args])
    return found[root]


def _of_expr(e: Expr, x: list[Interval]) -> Interval:
    match e.fn:
        case "const":
            return _narrow(float(e.value), float(e.value))
        case "add":
            return _narrow(x[0][0] + x[1][0], x[0][1] + x[1][1])
        case "sub":
            return _narrow(x[0][0] - x[1][1], x[0][1] - x[1][0])
        case "neg":
            return -x[0][1], -x[0][0]
        case "mul":
            return _product(x[0], x[1], e.args[0] is e.args[1])
        case "max":
            return max(x[0][0], x[1][0]), max(x[0][1], x[1][1])
        case "min":
            return min(x[0][0], x[1][0]), min(x[0][1], x[1][1])
        case "abs":
            return max(x[0][0], -x[0][1], 0.0), max(-x[0][0], x[0][1])
        case "exp":
            return _exp(x[0][0]), _exp(x[0][1])
        case "log" | "sqrt":
            low, high = max(x[0][0], 0.0), max(x[0][1], 0.0)
            rule = math.sqrt if e.fn == "sqrt" else (lambda v: math.log(v) if v > 0 else -math.inf)
            return rule(low), rule(high)
        case "tanh":
            return math.tanh(x[0][0]), math.tanh(x[0][1])
        case "select":
            return min(x[1][0], x[2][0]), max(x[1][1], x[2][1])
        case "uniform":
            return 0.0, 1.0
        case "cast":
            return x[0]
        case _:
            return EVERYTHING


def _product(x: Interval, y: Interval, square: bool) -> Interval:
    ends = [0.0 if 0.0 in (a, b) else a * b for a in x for b in y]
    return (0.0, max(ends)) if square else (min(ends), max(ends))


def _exp(x: float) -> float:
    return math.exp(x) if x < 700 else math.inf


def _narrow(low: float, high: float) -> Interval:
    """An interval; everything where a bound is NaN (∞ − ∞)."""
    return EVERYTHING if low != low or high != high else (low, high)
