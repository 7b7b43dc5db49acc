"""What makes or moves numbers: random words, concat, padding, crops, blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnndsl.graph.graph import Node
from cnndsl.graph.target import Choice
from cnndsl.targets.numpy.kernels import random, shape
from cnndsl.targets.numpy.lower.call import Call, Lowering, keys, plain


def random_lines(call: Call) -> list[str]:
    a = call.attrs
    each = 1
    for n in a.sizes[1:]:
        each *= n
    start = f"{call.lo} * {each}" if call.lo else "0"
    return [f"random_bits({call.xs[0]}, {call.xs[1]}, {call.ys[0]}, stream={a.stream!r}, start={start})"]


def concat_lines(call: Call) -> list[str]:
    return [f"concat(({', '.join(call.xs)},), {call.ys[0]})"]


def begins(a: Any) -> tuple[int, ...]:
    return (*(p[0] for p in a.amount), a.channels[0])


def choose_zero(node: Node, workers: int) -> Choice | None:
    return Choice(node.op.name) if node.attrs.mode == "zero" else None


def choose_blocks(node: Node, workers: int) -> Choice | None:
    return Choice("blocks") if node.attrs.method in ("nearest", "average") else None


def blocks_lines(call: Call) -> list[str]:
    a = call.attrs
    share = 1.0
    for f in a.factor if a.method == "average" else ():
        share /= f
    name = "repeat_blocks" if a.grows else "sum_blocks"
    return [f"{name}({call.xs[0]}, {call.ys[0]}, factor={a.factor!r}{keys(scale=share if share != 1 else None)})"]


def blocks_kernels(call: Call) -> tuple[Callable[..., Any], ...]:
    return (shape.repeat_blocks if call.attrs.grows else shape.sum_blocks,)


LOWERINGS = {
    "resample": Lowering(choose_blocks, blocks_lines, blocks_kernels),
    "crop": plain(shape.crop, lambda c: [f"crop({c.xs[0]}, {c.ys[0]}, begin={begins(c.attrs)!r})"]),
    "random_bits": plain(random.random_bits, random_lines),
    "concat": plain(shape.concat, concat_lines),
    "take_part": plain(shape.take_part, lambda c: [f"take_part({c.xs[0]}, {c.ys[0]}, start={c.attrs.start!r})"]),
    "pad": plain(shape.pad_zero, lambda c: [f"pad_zero({c.xs[0]}, {c.ys[0]}, begin={begins(c.attrs)!r})"], choose_zero),
    "pad_grad": plain(shape.crop, lambda c: [f"crop({c.xs[0]}, {c.ys[0]}, begin={begins(c.attrs)!r})"], choose_zero),
}
