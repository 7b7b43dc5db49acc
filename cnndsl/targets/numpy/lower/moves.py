"""What makes or moves numbers: random words, concat, padding, crops, blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnndsl.graph.graph import Node
from cnndsl.graph.target import Choice
from cnndsl.targets.numpy import cost
from cnndsl.targets.numpy.kernels import random, resample, shape
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


def choose_pad(node: Node, workers: int) -> Choice | None:
    a = node.attrs
    return Choice(node.op.name) if a.mode == "zero" or a.channels == (0, 0) else None


def pad_lines(call: Call) -> list[str]:
    a, grad = call.attrs, call.node.op.name == "pad_grad"
    if a.mode == "zero":
        return [f"{'crop' if grad else 'pad_zero'}({call.xs[0]}, {call.ys[0]}, begin={begins(a)!r})"]
    name = "pad_around_grad" if grad else "pad_around"
    return [f"{name}({call.xs[0]}, {call.ys[0]}, begin={begins(a)[:-1]!r}, mode={a.mode!r})"]


def pad_kernels(call: Call) -> tuple[Callable[..., Any], ...]:
    grad = call.node.op.name == "pad_grad"
    if call.attrs.mode == "zero":
        return (shape.crop if grad else shape.pad_zero,)
    return (shape.pad_around_grad if grad else shape.pad_around,)


def choose_resample(node: Node, workers: int) -> Choice | None:
    a = node.attrs
    if a.method in ("nearest", "average"):
        return Choice("blocks")
    if a.method != "bilinear" or node.outputs[0].type.dtype != "float32" or max(a.factor) == 1:
        return None
    sizes, steps = list(node.operands[0].type.sizes), []
    for axis, f in enumerate(a.factor, 1):
        if f > 1:
            sizes[axis] = sizes[axis] // f if a.transposed else sizes[axis] * f
            steps.append((tuple(sizes), 4))
    return Choice("linear", (), cost.aligned(*steps[:1] if a.transposed else (), *steps[:-1]))


def resample_lines(call: Call) -> list[str]:
    a = call.attrs
    if a.method == "bilinear":
        name = "linear_grad" if a.transposed else "linear"
        return [f"{name}({call.xs[0]}, {call.ys[0]}{keys(factor=a.factor, scratch=call.scratch)})"]
    share = 1.0
    for f in a.factor if a.method == "average" else ():
        share /= f
    name = "repeat_blocks" if a.grows else "sum_blocks"
    return [f"{name}({call.xs[0]}, {call.ys[0]}, factor={a.factor!r}{keys(scale=share if share != 1 else None)})"]


def resample_kernels(call: Call) -> tuple[Callable[..., Any], ...]:
    if call.attrs.method == "bilinear":
        return (resample.linear_grad if call.attrs.transposed else resample.linear,)
    return (shape.repeat_blocks if call.attrs.grows else shape.sum_blocks,)


LOWERINGS = {
    "resample": Lowering(choose_resample, resample_lines, resample_kernels),
    "crop": plain(shape.crop, lambda c: [f"crop({c.xs[0]}, {c.ys[0]}, begin={begins(c.attrs)!r})"]),
    "random_bits": plain(random.random_bits, random_lines),
    "concat": plain(shape.concat, concat_lines),
    "take_part": plain(shape.take_part, lambda c: [f"take_part({c.xs[0]}, {c.ys[0]}, start={c.attrs.start!r})"]),
    "pad": Lowering(choose_pad, pad_lines, pad_kernels),
    "pad_grad": Lowering(choose_pad, pad_lines, pad_kernels),
}
