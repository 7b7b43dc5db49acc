"""Sums, moments, normalisation by groups, softmax and losses."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnndsl.graph.graph import Node
from cnndsl.graph.target import Choice
from cnndsl.targets.numpy import cost
from cnndsl.targets.numpy.kernels import group_norm, loss, reduce
from cnndsl.targets.numpy.lower.call import Call, Lowering, Text, keys, plain


def sums_rows(node: Node) -> bool:
    """Whether a reduce_sum keeps exactly the last axis."""
    rank = node.operands[0].type.rank
    return rank > 1 and tuple(sorted(node.attrs.axes)) == tuple(range(rank - 1))


def row_shape(x: Sequence[int]) -> tuple[int, int]:
    """(wide, rows) of the tiles in which an array (N, …, C) is summed."""
    unit = 1
    for n in x[1:-1]:
        unit *= n
    wide = cost.wide(x[-1], unit)
    return wide, max(1, cost.TILE // (wide * x[-1]))


def sum_lines(call: Call) -> list[str]:
    if not sums_rows(call.node):
        return [f"sum_axes({call.xs[0]}, {call.ys[0]}, axes={tuple(call.attrs.axes)!r})"]
    wide, rows = row_shape(call.node.operands[0].type.sizes)
    return [f"sum_rows({call.xs[0]}, {call.ys[0]}, wide={wide}, rows={rows})"]


def choose_tiles(node: Node, workers: int) -> Choice:
    """Scratch for one tile of the rows of the last axis."""
    x = node.operands[0].type.sizes
    return Choice(node.op.name, (), cost.aligned(((loss.tile_rows(math.prod(x[:-1]), x[-1]), x[-1]), 4)))


def loss_keys(call: Call, **more: Text) -> str:
    return keys(label_smoothing=call.attrs.label_smoothing, count=call.attrs.count, **more)


def mse_lines(call: Call) -> list[str]:
    arrays = [*call.xs, *(["None"] if len(call.xs) == 2 else []), *call.ys]
    return [f"mse({', '.join(arrays)}{keys(count=call.attrs.count, scratch=call.scratch)})"]


def choose_moments(node: Node, workers: int) -> Choice:
    wide, rows = row_shape(node.operands[0].type.sizes)
    return Choice(
        "shifted", (("wide", wide), ("rows", rows)), cost.aligned(((rows, wide * node.operands[0].type.sizes[-1]), 4))
    )


def moments_lines(call: Call) -> list[str]:
    rest = keys(**call.numbers, scratch=Text("a.scratch"), crew=Text("net.crew"))
    return [f"moments({call.xs[0]}, {', '.join(call.ys)}{rest})"]


def choose_groups(node: Node, workers: int) -> Choice | None:
    return choose_moments(node, workers) if node.outputs[0].type.dtype == "float32" else None


def group_lines(call: Call) -> list[str]:
    rest = keys(groups=call.attrs.groups, eps=float(call.attrs.eps), **call.numbers, scratch=call.scratch)
    return [f"{call.node.op.name}({', '.join([*call.xs, *call.ys])}{rest})"]


LOWERINGS = {
    "reduce_sum": Lowering(
        lambda node, workers: Choice("tiles" if sums_rows(node) else "plain"),
        sum_lines,
        lambda call: (reduce.sum_rows if sums_rows(call.node) else reduce.sum_axes,),
    ),
    "moments": plain(reduce.moments, moments_lines, choose_moments),
    "group_norm": plain(group_norm.group_norm, group_lines, choose_groups),
    "standardize": plain(group_norm.standardize, group_lines, choose_groups),
    "standardize_grad": plain(group_norm.standardize_grad, group_lines, choose_groups),
    "softmax": plain(loss.softmax, lambda c: [f"softmax({c.xs[0]}, {c.ys[0]})"]),
    "log_softmax": plain(loss.log_softmax, lambda c: [f"log_softmax({c.xs[0]}, {c.ys[0]}, scratch={c.scratch})"], choose_tiles),
    "cross_entropy": plain(
        loss.cross_entropy,
        lambda c: [f"cross_entropy({', '.join([*c.xs, *c.ys])}{loss_keys(c, scratch=c.scratch)})"],
        choose_tiles,
    ),
    "cross_entropy_grad": plain(
        loss.cross_entropy_grad, lambda c: [f"cross_entropy_grad({', '.join([*c.xs, *c.ys])}{loss_keys(c)})"]
    ),
    "mse": plain(loss.mse, mse_lines, choose_tiles),
}
