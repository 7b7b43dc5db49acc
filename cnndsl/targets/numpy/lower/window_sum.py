"""Sums over neighbouring channels, and local response normalisation."""

from __future__ import annotations

from typing import Any

from cnndsl.graph.graph import Node
from cnndsl.graph.target import Choice
from cnndsl.targets.numpy import cost
from cnndsl.targets.numpy.kernels import window_sum
from cnndsl.targets.numpy.lower.call import Call, Lowering, keys


def reach(node: Node) -> tuple[int, int]:
    """Channels before and after that are summed."""
    a: Any = node.attrs
    return (a.before, a.after) if node.op.name == "window_sum" else (a.reach, a.reach)


def choose_window(node: Node, workers: int) -> Choice | None:
    """Tiles of rows with zeros between them, three of which stay in the second-level cache."""
    x, y = node.operands[0].type, node.outputs[0].type
    if y.dtype != "float32":
        return None
    more = sum(reach(node))
    wide = x.sizes[-1] + more
    positions = -(-x.elements // x.sizes[-1] // workers)
    rows = max(1, min(cost.CACHE // (16 * wide), positions))
    passes = 4 + (more + 1).bit_length() + (3 if node.op.name == "lrn" else 0)
    seconds = cost.MOVED * 1e-9 * passes * positions * wide
    line = ((rows * wide + more,), 4)
    return Choice("tiles", (("rows", rows),), cost.aligned(line, line, ((rows, wide), 4)), seconds)


def window_lines(call: Call) -> list[str]:
    a = call.attrs
    how = {"before": a.before, "after": a.after} if call.node.op.name == "window_sum" else {
        "size": a.size, "alpha": float(a.alpha), "beta": float(a.beta), "k": float(a.k)
    }  # fmt: skip
    return [f"{call.node.op.name}({call.xs[0]}, {call.ys[0]}{keys(**how, **call.numbers, scratch=call.scratch)}{call.share})"]


LOWERINGS = {
    "lrn": Lowering(choose_window, window_lines, lambda call: (window_sum.lrn,), shares=True),
    "window_sum": Lowering(choose_window, window_lines, lambda call: (window_sum.window_sum,), shares=True),
}
