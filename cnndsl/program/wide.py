"""Channels without copying: branches write straight into the wide array of a concat, parts are read where they lie.

A concat vanishes where something reads it, and every operand is made by a kernel that can write with gaps, is read by
nothing else, and is nobody's result. Then each operand is a strided view of the concat's array, which begins to live with
the first.
A `take_part` vanishes where every kernel that reads it can read with gaps: it is a strided view of what it is taken from.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from cnndsl.graph.graph import SOURCES, Graph, Node, Value
from cnndsl.graph.types import ITEM_BYTES
from cnndsl.program.program import Buffer


def parts_of_concats(
    kernels: Iterable[Node], roots: Mapping[Value, Value], kept: Collection[Value], can: Callable[[Node], bool]
) -> dict[Value, tuple[Value, int]]:
    """operand → (the concat's value, its first channel), for every concat that can vanish.

    kept: results, which must be whole arrays. can(node): does the node's kernel write with gaps?
    """
    kernels = list(kernels)
    uses: dict[Value, int] = {}
    for node in kernels:
        for x in node.operands:
            uses[roots[x]] = uses.get(roots[x], 0) + 1
    found: dict[Value, tuple[Value, int]] = {}
    for node in kernels:
        if node.op.name != "concat" or node.outputs[0] in kept or node.attrs.fit != "exact":
            continue
        if node.outputs[0] not in uses:  # its array would end with its first part, and the others would be written over others
            continue
        if all(_fits(x, roots, uses, kept, can) for x in node.operands):
            at = 0
            for x in node.operands:
                found[x] = (node.outputs[0], at)
                at += x.type.sizes[-1]
    return found


def _fits(
    x: Value, roots: Mapping[Value, Value], uses: Mapping[Value, int], kept: Collection[Value], can: Callable[[Node], bool]
) -> bool:
    made = x.node.op not in SOURCES and roots[x] is x and len(x.node.outputs) == 1
    return made and uses[x] == 1 and x not in kept and x.node.op.batch_rule(x.node.attrs) == "map" and can(x.node)


def parts_taken(
    graph: Graph,
    running: Collection[Node],
    roots: Mapping[Value, Value],
    kept: Collection[Value],
    parts: Collection[Value],
    can: Callable[[Node], bool],
) -> dict[Value, tuple[Value, int]]:
    """value of a take_part → (what it is taken from, its first channel), for every one that can vanish.

    running: the kernels of a run. parts: values that lie inside a concat. can(node): does its kernel read with gaps?
    """
    users = graph.users()
    found: dict[Value, tuple[Value, int]] = {}
    for node in running:
        if node.op.name != "take_part":
            continue
        y, x = node.outputs[0], node.operands[0]
        mapped = x.node in running and x.node.op.batch_rule(x.node.attrs) == "map"
        whole = mapped and roots[x] is x and x not in kept and x not in parts
        same = y.type.shape[:-1] == x.type.shape[:-1]
        free = y not in kept and y not in parts and all(u in running and not u.op.view and can(u) for u in users[node.id])
        if whole and same and free:
            found[y] = (x, node.attrs.start)
    return found


def inside(name: str, part: Value, wide: Buffer, at: int) -> Buffer:
    """The view of `wide` that holds `part`, its channels from `at` on."""
    steps, step = [], 1
    for n in reversed(wide.type.sizes):
        steps.append(step)
        step *= n
    offset = wide.offset + at * ITEM_BYTES[wide.type.dtype]
    return replace(wide, name=name, type=part.type, offset=offset, strides=tuple(reversed(steps)))
