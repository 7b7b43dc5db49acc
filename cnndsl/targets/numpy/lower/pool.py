"""Pools, their gradients, and global pools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnndsl.graph.graph import Node
from cnndsl.graph.target import Choice
from cnndsl.targets.numpy import cost
from cnndsl.targets.numpy.kernels import pool
from cnndsl.targets.numpy.lower.call import Call, Lowering, Text, keys, plain


def shares_of_average(a: Any, n: int, count: int, axis: int) -> tuple[float, ...]:
    """1 / (counted places) for each window along an axis."""
    (b, e), k, s = a.pad[axis], a.window[axis], a.stride[axis]
    low, high = (-b, n + e) if a.count_padding else (0, n)
    found = []
    for i in range(count):
        start = i * s - b
        found.append(1.0 / (min(start + k, high) - max(start, low)))
    return tuple(found)


def choose_pool(node: Node, workers: int) -> Choice | None:
    a = node.attrs
    if len(a.window) != 2 or node.outputs[0].type.dtype != "float32":
        return None
    name = node.op.name
    grad = name.endswith("grad")
    upper = node.operands[-1].type.sizes if grad else node.outputs[0].type.sizes
    image = node.outputs[0].type.sizes if grad else node.operands[0].type.sizes
    n, h, w, c = upper
    if name == "max_pool_grad":
        return Choice("taps", (), cost.aligned(*(((h, w, c), size) for size in (1, 1, 1, 4, 4))))
    images = cost.images_of(image[1] * image[2] * c + h * image[2] * c, -(-n // workers), cost.CACHE // 2)
    half = ((images, h, image[2], c), 4)
    passes = a.window[0] * h * image[2] + a.window[1] * h * w  # of all channels of an image
    weights = (h, w) if name.startswith("avg") else (0,)
    scratch = cost.aligned(((images, h, w, c) if grad else (0,), 4), half, (weights, 4))
    seconds = cost.MOVED * 1e-9 * -(-n // workers) * passes * c
    return Choice("axes", (("images", images),), scratch, seconds)


def pool_lines(call: Call) -> list[str]:
    a, name = call.attrs, call.node.op.name
    grad = name.endswith("grad")
    upper = (call.node.operands[-1] if grad else call.node.outputs[0]).type.sizes
    image = (call.node.outputs[0] if grad else call.node.operands[0]).type.sizes
    begin = tuple(p[0] for p in a.pad)
    dilation = getattr(a, "dilation", (1, 1))
    weights = None
    if name.startswith("avg"):
        weights = average_text(tuple(shares_of_average(a, image[i + 1], upper[i + 1], i) for i in range(2)))
    rest = keys(
        kernel=a.window,
        stride=a.stride,
        pad=begin if begin != (0, 0) else None,
        dilation=dilation if dilation != (1, 1) else None,
        weights=weights,
        images=call.numbers.get("images"),
        scratch=call.scratch,
    )
    return [f"{name.replace('pool', 'pool2d')}({', '.join([*call.xs, *call.ys])}{rest}{call.share})"]


def average_text(weights: tuple[tuple[float, ...], ...]) -> Text:
    """`(0.5,) * 14` where all are equal."""
    texts = [f"({w[0]!r},) * {len(w)}" if len(set(w)) == 1 else repr(w) for w in weights]
    return Text(f"({', '.join(texts)})")


def pool_kernels(call: Call) -> tuple[Callable[..., Any], ...]:
    return (getattr(pool, call.node.op.name.replace("pool", "pool2d")),)


def global_lines(call: Call) -> list[str]:
    x = call.node.operands[0].type.sizes
    count = 1
    for n in x[1:-1]:
        count *= n
    if call.node.op.name == "global_max_pool":
        return [f"global_pool(np.maximum, {call.xs[0]}, {call.ys[0]})"]
    return [f"global_pool(np.add, {call.xs[0]}, {call.ys[0]}, scale=1 / {count})"]


LOWERINGS = {
    **{
        name: Lowering(choose_pool, pool_lines, pool_kernels, shares=not name.endswith("grad"))
        for name in ("max_pool", "avg_pool", "max_pool_grad", "avg_pool_grad")
    },
    "global_avg_pool": plain(pool.global_pool, global_lines),
    "global_max_pool": plain(pool.global_pool, global_lines),
}
