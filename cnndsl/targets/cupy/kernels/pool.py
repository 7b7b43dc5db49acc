"""max_pool and avg_pool, and their gradients, which gather: a thread an input number asks each window that holds it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnndsl.graph.graph import Node
from cnndsl.targets.cupy.launch import Launch, all_float32, launch, linear, offset, product, reads, unravel, writes


def names(letter: str, a: Any) -> list[str]:
    return [f"{letter}{k}" for k in range(len(a.window))]


def dilation(a: Any) -> tuple[int, ...]:
    return getattr(a, "dilation", (1,) * len(a.window))


def loop(a: Any, tap: str, letter: str, count: str, inside: Sequence[str]) -> list[str]:
    """A loop over `count` taps of the window in row-major order, with their coordinates `letter`0, `letter`1, …"""
    lines = [f"for (int {tap} = 0; {tap} < {count}; ++{tap}) {{"]
    return [*lines, *(f"    {x}" for x in [*unravel(tap, names(letter, a), a.window), *inside]), "}"]


def seen(a: Any, x: Sequence[int], tap: str, place: str) -> list[str]:
    """`place`0, …: where window o sees the input through tap `tap`; `inside` tells whether that is no padding."""
    axes = range(len(a.window))
    lines = [
        f"const int {place}{k} = {linear(f'o{k}', a.stride[k])} + {linear(f'{tap}{k}', dilation(a)[k], -a.pad[k][0])};"
        for k in axes
    ]
    within = " && ".join(f"{place}{k} >= 0 && {place}{k} < {x[1 + k]}" for k in axes)
    return [*lines, f"const bool inside_{place} = {within};"]


def share(a: Any, x: Sequence[int]) -> list[str]:
    """`count`: how many rows of window o count in its mean. Rows that only `round = ceil` reaches never do."""
    lines, factors = [], []
    for k, (size, step, (b, e)) in enumerate(zip(a.window, a.stride, a.pad, strict=True)):
        low, high = (-b, x[1 + k] + e) if a.count_padding else (0, x[1 + k])
        lines += [
            f"const int from{k} = {linear(f'o{k}', step, -b)};",
            f"const int count{k} = smallest<int>(from{k} + {size}, {high}) - largest<int>(from{k}, {low});",
        ]
        factors.append(f"count{k}")
    return [*lines, f"const float count = (float)({' * '.join(factors)});"]


def forward(node: Node) -> list[Launch] | None:
    a, x, y = node.resolved, node.operands[0].type.sizes, node.outputs[0].type.sizes
    if not all_float32(node) or max(product(x), product(y)) >= 2**31:
        return None
    largest = node.op.name == "max_pool"
    value = f"x[{offset(['n', *names('h', a), 'c'], x)}]"
    take = f"found = largest<float>(found, {value});" if largest else f"found += {value};"
    body = [
        *unravel("i", ["n", *names("o", a), "c"], y),
        f"float found = {'-INFINITE' if largest else '0.0f'};",
        *loop(a, "tap", "m", f"{product(a.window)}", [*seen(a, x, "m", "h"), f"if (inside_h) {take}"]),
        *([] if largest else share(a, x)),
        f"y[i] = found{'' if largest else ' / count'};",
    ]
    return [launch([reads("x", 0), writes("y", 0)], body, product(y))]


def windows(a: Any, y: Sequence[int]) -> list[str]:
    """o0, …: the window that sees position h through tap m; `continue` where there is none."""
    lines = []
    for k in range(len(a.window)):
        lines += [
            f"const int t{k} = {linear(f'h{k}', 1, a.pad[k][0])} - {linear(f'm{k}', dilation(a)[k])};",
            f"const int o{k} = t{k} / {a.stride[k]:d};",
            f"if (t{k} < 0 || t{k} % {a.stride[k]:d} || o{k} >= {y[1 + k]}) continue;",
        ]
    return lines


def max_grad(node: Node) -> list[Launch] | None:
    """The gradient goes to the first of equal numbers in row-major order, so earlier taps are asked again."""
    a, x, y = node.resolved, node.operands[0].type.sizes, node.operands[1].type.sizes
    if not all_float32(node) or max(product(x), product(y)) >= 2**31:
        return None
    before = loop(
        a,
        "earlier",
        "q",
        "tap",
        [
            *seen(a, x, "q", "g"),
            f"const float other = inside_g ? x[{offset(['n', *names('g', a), 'c'], x)}] : -INFINITE;",
            "if (other == most || other != other) first = false;",
        ],
    )
    body = [
        *unravel("i", ["n", *names("h", a), "c"], x),
        "const float mine = x[i];",
        "float total = 0.0f;",
        *loop(
            a,
            "tap",
            "m",
            f"{product(a.window)}",
            [
                *windows(a, y),
                f"const int at = {offset(['n', *names('o', a), 'c'], y)};",
                "const float most = y[at];",
                "if (mine != most && mine == mine) continue;",
                "bool first = true;",
                *before,
                "if (first) total += gy[at];",
            ],
        ),
        "gx[i] = total;",
    ]
    return [launch([reads("x", 0), reads("y", 1), reads("gy", 2), writes("gx", 0)], body, product(x))]


def avg_grad(node: Node) -> list[Launch] | None:
    a, x, y = node.resolved, node.outputs[0].type.sizes, node.operands[0].type.sizes
    if not all_float32(node) or max(product(x), product(y)) >= 2**31:
        return None
    inside = [*windows(a, y), *share(a, x), f"total += gy[{offset(['n', *names('o', a), 'c'], y)}] / count;"]
    body = [
        *unravel("i", ["n", *names("h", a), "c"], x),
        "float total = 0.0f;",
        *loop(a, "tap", "m", f"{product(a.window)}", inside),
        "gx[i] = total;",
    ]
    return [launch([reads("gy", 0), writes("gx", 0)], body, product(x))]
