"""Sums, means and maxima. Sums over leading axes go in two stages, every stage in a fixed order."""

from __future__ import annotations

from collections.abc import Sequence

from cnndsl.graph.graph import Node
from cnndsl.targets.cupy.launch import (
    Launch,
    Parameter,
    all_float32,
    chunks,
    launch,
    number,
    offset,
    parts,
    product,
    reads,
    total_of_parts,
    unravel,
    writes,
)


def sum_rows(
    term: str, taken: Sequence[Parameter], rows: int, columns: int, output: int, finish: str, suffix: str = ""
) -> list[Launch]:
    """y[c] = Σ over rows of `term`, an expression of `at` (the element), `row` and `c`; `finish` is one of `total`."""
    count = chunks(rows, columns)
    length = -(-rows // count)
    body = [
        f"const int c = i % {columns};",
        f"const int first = i / {columns} * {length};",
        "float total = 0.0f;",
        f"for (int row = first; row < first + {length} && row < {rows}; ++row) {{",
        f"    const int at = row * {columns} + c;",
        f"    total += {term};",
        "}",
        "parts[i] = total;",
    ]
    first = launch([*taken, parts(True)], body, count * columns, f"{suffix}parts")
    last = total_of_parts(count, columns, output, finish)
    return [first, Launch(last.source, last.grid, last.block, last.shared, last.args, f"{suffix}total")]


def reduce_sum(node: Node) -> list[Launch] | None:
    x, axes = node.operands[0].type.sizes, sorted(node.attrs.axes)
    if not all_float32(node) or product(x) >= 2**31:
        return None
    if axes == list(range(len(axes))) and axes:
        return sum_rows("x[at]", [reads("x", 0)], product(x[: len(axes)]), product(x[len(axes) :]), 0, "total")
    kept = [k for k in range(len(x)) if k not in axes]
    rows = product([x[k] for k in axes])
    names = [f"j{k}" for k in range(len(x))]
    body = [
        *unravel("i", [names[k] for k in kept], [x[k] for k in kept]),
        "float total = 0.0f;",
        f"for (int row = 0; row < {rows}; ++row) {{",
        *(f"    {line}" for line in unravel("row", [names[k] for k in axes], [x[k] for k in axes])),
        f"    total += x[{offset(names, x)}];",
        "}",
        "y[i] = total;",
    ]
    return [launch([reads("x", 0), writes("y", 0)], body, product([x[k] for k in kept]))]


def moments(node: Node) -> list[Launch] | None:
    """The mean, then the mean of squared distances from it: in two passes, because one cancels."""
    x = node.operands[0].type.sizes
    rows, c = product(x[:-1]), x[-1]
    if not all_float32(node) or product(x) >= 2**31:
        return None
    finish = f"total * {number(1.0 / rows)}"
    mean = Parameter("mean", ("y", 0))
    squares = "(x[at] - mean[c]) * (x[at] - mean[c])"
    return [
        *sum_rows("x[at]", [reads("x", 0)], rows, c, 0, finish, "mean_"),
        *sum_rows(squares, [reads("x", 0), mean], rows, c, 1, finish, "variance_"),
    ]


def mse(node: Node) -> list[Launch] | None:
    x, count = node.operands[0].type.sizes, node.resolved.count
    if not all_float32(node) or product(x) >= 2**31:
        return None
    taken = [reads("x", 0), reads("target", 1)]
    term = "(x[at] - target[at]) * (x[at] - target[at])"
    if len(node.operands) == 3:
        taken.append(reads("mask", 2))
        same = node.operands[2].type.sizes == x
        term = f"mask[{'at' if same else f'at / {x[-1]}'}] * {term}"
    return sum_rows(term, taken, product(x), 1, 0, f"total / {number(count)}")


def global_pool(node: Node) -> list[Launch] | None:
    x = node.operands[0].type.sizes
    if not all_float32(node) or product(x) >= 2**31:
        return None
    space, c = product(x[1:-1]), x[-1]
    mean = node.op.name == "global_avg_pool"
    value = f"x[(n * {space} + p) * {c} + c]"
    body = [
        *unravel("i", ["n", "c"], [x[0], c]),
        f"float found = {'0.0f' if mean else '-INFINITE'};",
        f"for (int p = 0; p < {space}; ++p) found {f'+= {value}' if mean else f'= largest<float>(found, {value})'};",
        f"y[i] = found{f' / {number(space)}' if mean else ''};",
    ]
    return [launch([reads("x", 0), writes("y", 0)], body, x[0] * c)]
