"""concat, its gradient take_part, and pad: numbers moved, zeros written where nothing comes from."""

from __future__ import annotations

from cnndsl.graph.graph import Node
from cnndsl.targets.cupy.launch import Launch, all_float32, launch, linear, offset, product, reads, unravel, writes


def chosen(inside: list[str], value: str) -> str:
    """`value` where every condition holds, else zero."""
    return f"{' && '.join(inside)} ? {value} : 0.0f" if inside else value


def concat(node: Node) -> list[Launch] | None:
    """A launch a branch: its middle, where it is larger than the result, into its channels."""
    y = node.outputs[0].type.sizes
    if not all_float32(node) or max(product(v.type.sizes) for v in (*node.operands, *node.outputs)) >= 2**31:
        return None
    launches, start = [], 0
    names = [f"o{k}" for k in range(len(y) - 2)]
    for number, branch in enumerate(node.operands):
        x = branch.type.sizes
        part = (*y[:-1], x[-1])
        source = [f"({linear(o, 1, (n - m) // 2)})" if n != m else o for o, n, m in zip(names, x[1:], y[1:], strict=False)]
        channel = f"({linear('c', 1, start)})" if start else "c"
        body = [
            *unravel("i", ["n", *names, "c"], part),
            f"y[{offset(['n', *names, channel], y)}] = x[{offset(['n', *source, 'c'], x)}];",
        ]
        launches.append(launch([reads("x", number), writes("y", 0)], body, product(part), f"{number + 1}"))
        start += x[-1]
    return launches


def take_part(node: Node) -> list[Launch] | None:
    """A stretch of channels, in the middle of zeros where it had been cropped."""
    a, x, y = node.attrs, node.operands[0].type.sizes, node.outputs[0].type.sizes
    if not all_float32(node) or max(product(x), product(y)) >= 2**31:
        return None
    axes = range(len(y) - 2)
    places = [f"const int h{k} = {linear(f'o{k}', 1, -((y[1 + k] - x[1 + k]) // 2))};" for k in axes]
    inside = [f"h{k} >= 0 && h{k} < {x[1 + k]}" for k in axes if x[1 + k] != y[1 + k]]
    channel = f"({linear('c', 1, a.start)})" if a.start else "c"
    value = f"gy[{offset(['n', *(f'h{k}' for k in axes), channel], x)}]"
    body = [
        *unravel("i", ["n", *(f"o{k}" for k in axes), "c"], y),
        *places,
        f"gx[i] = {chosen(inside, value)};",
    ]
    return [launch([reads("gy", 0), writes("gx", 0)], body, product(y))]


def pad(node: Node) -> list[Launch] | None:
    """Each number from where its place lies in the input: outside it is zero, the mirrored number, or the edge's."""
    a, x, y = node.resolved, node.operands[0].type.sizes, node.outputs[0].type.sizes
    if not all_float32(node) or max(product(x), product(y)) >= 2**31:
        return None
    axes = range(len(y) - 2)
    lines, inside = [f"const int d = {linear('c', 1, -a.channels[0])};"], []
    if tuple(a.channels) != (0, 0):
        inside.append(f"d >= 0 && d < {x[-1]}")
    for k in axes:
        n = x[1 + k]
        place = linear(f"o{k}", 1, -a.amount[k][0])
        if a.mode == "zero":
            lines.append(f"const int h{k} = {place};")
            inside.append(f"h{k} >= 0 && h{k} < {n}")
        else:
            low, high = ("0", f"{n - 1}") if a.mode == "edge" else (f"-at{k}", f"{2 * (n - 1)} - at{k}")
            lines += [f"const int at{k} = {place};", f"const int h{k} = at{k} < 0 ? {low} : at{k} >= {n} ? {high} : at{k};"]
    value = f"x[{offset(['n', *(f'h{k}' for k in axes), 'd'], x)}]"
    body = [
        *unravel("i", ["n", *(f"o{k}" for k in axes), "c"], y),
        *lines,
        f"y[i] = {chosen(inside, value)};",
    ]
    return [launch([reads("x", 0), writes("y", 0)], body, product(y))]
