"""softmax, log_softmax, cross_entropy and its gradient: one thread a row of classes."""

from __future__ import annotations

from cnndsl.graph.graph import Node
from cnndsl.targets.cupy.launch import (
    Launch,
    all_float32,
    chunks,
    launch,
    number,
    parts,
    product,
    reads,
    total_of_parts,
    writes,
)


def row_sums(row: str, classes: int) -> list[str]:
    """`xs` (the row), `most` (its maximum) and `sum` = Σ exp(x − most)."""
    return [
        f"const float* xs = x + {row} * {classes};",
        "float most = xs[0], sum = 0.0f;",
        f"for (int c = 1; c < {classes}; ++c) most = largest<float>(most, xs[c]);",
        f"for (int c = 0; c < {classes}; ++c) sum += expf(xs[c] - most);",
    ]


def softmax(node: Node) -> list[Launch] | None:
    x = node.operands[0].type.sizes
    if not all_float32(node) or product(x) >= 2**31:
        return None
    value = "expf(xs[c] - most) / sum" if node.op.name == "softmax" else "xs[c] - most - logs"
    body = [
        *row_sums("i", x[-1]),
        *([] if node.op.name == "softmax" else ["const float logs = logf(sum);"]),
        f"for (int c = 0; c < {x[-1]}; ++c) y[i * {x[-1]} + c] = {value};",
    ]
    return [launch([reads("x", 0), writes("y", 0)], body, product(x[:-1]))]


def cross_entropy(node: Node) -> list[Launch] | None:
    a, x = node.resolved, node.operands[0].type.sizes
    rows, classes, smooth = product(x[:-1]), x[-1], a.label_smoothing
    if not all_float32(node) or node.operands[1].type.dtype != "int32" or product(x) >= 2**31:
        return None
    count = chunks(rows, 1)
    length = -(-rows // count)
    spread = [f"for (int c = 0; c < {classes}; ++c) total += {number(smooth / classes)} * (xs[c] - most - logs);"]
    body = [
        "float total = 0.0f;",
        f"for (int row = i * {length}; row < (i + 1) * {length} && row < {rows}; ++row) {{",
        *(f"    {line}" for line in row_sums("row", classes)),
        "    const float logs = logf(sum);",
        "    const int right = label[row];",
        f"    if (right >= 0 && right < {classes}) total += {number(1 - smooth)} * (xs[right] - most - logs);",
        *(f"    {line}" for line in (spread if smooth else [])),
        "}",
        "parts[i] = total;",
    ]
    first = launch([reads("x", 0), reads("label", 1, "int32"), parts(True)], body, count, "parts")
    return [first, total_of_parts(count, 1, finish=f"-total / {number(a.count)}")]


def cross_entropy_grad(node: Node) -> list[Launch] | None:
    a, x = node.resolved, node.operands[0].type.sizes
    rows, classes, smooth = product(x[:-1]), x[-1], a.label_smoothing
    if not all_float32(node) or node.operands[1].type.dtype != "int32" or product(x) >= 2**31:
        return None
    target = f"(c == right ? {number(1 - smooth + smooth / classes)} : {number(smooth / classes)})"
    body = [
        *row_sums("i", classes),
        "const int right = label[i];",
        f"const float share = g[0] / {number(a.count)};",
        f"for (int c = 0; c < {classes}; ++c) gx[i * {classes} + c] = (expf(xs[c] - most) / sum - {target}) * share;",
    ]
    return [launch([reads("x", 0), reads("label", 1, "int32"), reads("g", 2), writes("gx", 0)], body, rows)]
