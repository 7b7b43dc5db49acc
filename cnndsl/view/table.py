"""The table of layers as text: blocks on one line or unfolded, equal repetitions once."""

from __future__ import annotations

from sys import maxsize
from typing import TYPE_CHECKING

from cnndsl.errors import printable
from cnndsl.graph.graph import Node
from cnndsl.graph.types import drawn
from cnndsl.view.fold import Group, fitting_depth, relative
from cnndsl.view.summary import Row, Summary, number, total
from cnndsl.view.words import same, tidy

if TYPE_CHECKING:
    from cnndsl.view.receptive import Seen

SCREEN = 48  # lines of layers that are shown by themselves
WIDEST = 50  # characters of an op with its options
HEADS = ("layer", "op", "output", "parameters", "multiply-adds", "bytes", "sees", "every", "from")
RIGHT = (3, 4, 5)


def table(found: Summary, depth: int | None = None) -> str:
    """One line a layer or block, then the totals. A line with × n counts all n repetitions, those below it one."""
    depth = fitting_depth(found.tree, SCREEN) if depth is None else depth
    lines: list[tuple[str, ...]] = [HEADS]
    stack: list[tuple[Group | Node, Group, int]] = [(p, found.tree, 0) for p in reversed(found.tree.parts)]
    folded = False
    while stack:
        part, around, level = stack.pop()
        if isinstance(part, Node):
            lines.append(_layer(found.rows[part], relative(found.rows[part].name, around), level))
            continue
        lines.append(_block(part, found, level))
        if level < depth:
            stack.extend((p, part, level + 1) for p in reversed(part.parts))
        else:
            folded = True
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADS))]
    inputs = ", ".join(f"{printable(name)} {drawn(shape)}" for name, shape in found.input_shapes.items())
    outputs = ", ".join(
        drawn(shape) if name == "output" else f"{printable(name)} {drawn(shape)}" for name, shape in found.output_shapes.items()
    )
    out = [f"{printable(found.name)}: {inputs} -> {outputs}", ""]
    for k, cells in enumerate(lines):
        parts = [c.rjust(w) if i in RIGHT else c.ljust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True)) if w]
        out.append("  ".join(parts).rstrip())
        if k == 0:
            out.append("  ".join("-" * w for w in widths if w))
    out += ["", *_totals(found)]
    if folded:
        every = fitting_depth(found.tree, maxsize)
        more = f"; --depth {depth + 1} unfolds one level more" if every > depth + 1 else ""
        out.append(f"blocks are folded{more}; --depth {every} unfolds every one")
    return "\n".join(out)


def _totals(found: Summary) -> list[str]:
    work = "open" if found.multiply_adds is None else f"{found.multiply_adds:,}"
    out = [f"{found.parameters:,} parameters ({_bytes(4 * found.parameters)}), {work} multiply-adds an image"]
    if found.head_parameters:
        out.append(f"and {found.head_parameters:,} parameters in heads, which exist in training only")
    if found.activation_bytes is None or found.peak_bytes is None:
        out.append("activation bytes depend on sizes that are open")
    else:
        out.append(f"{found.activation_bytes:,} bytes of activations an image, at most {found.peak_bytes:,} needed at a time")
    return out


def _layer(row: Row, name: str, level: int) -> tuple[str, ...]:
    name = f"{name} = {row.named}" if row.named and row.named != name.rpartition(".")[2] else name
    name += f" ({row.head})" if row.head and not level else ""
    return _cells(name, f"{row.op} {row.detail}".rstrip(), row, level, row.parameters, row.multiply_adds, row.bytes)


def _block(group: Group, found: Summary, level: int) -> tuple[str, ...]:
    mine = [found.rows[n] for n in group.all_nodes()]
    name = group.name + (f" … × {group.count}" if group.count > 1 else "") + (" (head)" if group.head else "")
    return _cells(
        name, tidy(group.title, "x"), mine[-1], level, sum(r.parameters for r in mine), total([r.multiply_adds for r in mine]),
        total([r.bytes for r in mine]),
    )  # fmt: skip


def _cells(name: str, op: str, row: Row, level: int, parameters: int, work: int | None, nbytes: int | None) -> tuple[str, ...]:
    op = op if len(op) <= WIDEST else op[: WIDEST - 1] + "…"
    return (
        "  " * level + printable(name),
        printable(op),
        drawn(row.output_shape),
        f"{parameters:,}" if parameters else "",
        "?" if work is None else f"{work:,}" if work else "",
        "?" if nbytes is None else f"{nbytes:,}" if nbytes else "",
        *_seen(row.seen),
    )


def _seen(x: Seen) -> tuple[str, str, str]:
    """Size, step and start of a receptive field; of the whole input, the size alone."""
    if not x.size:
        return "", "", ""
    if not any(x.step):
        return drawn(x.size), "", ""
    return drawn(x.size), same(tuple(number(s) for s in x.step)), same(_starts(x), ",")


def _starts(x: Seen) -> tuple[object, ...]:
    return tuple("?" if s is None else number(s) for s in x.start)


def _bytes(n: int) -> str:
    return f"{n / 1e6:.1f} MB" if n >= 1e6 else f"{n / 1e3:.0f} kB"
