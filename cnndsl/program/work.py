"""What a kernel has to do, on any machine: operations, bytes, and what kind of work it is."""

from __future__ import annotations

from cnndsl.graph.expr import Expr
from cnndsl.graph.graph import SOURCES, Node
from cnndsl.program.program import Kernel


def moved(k: Kernel) -> int:
    """Bytes that it reads and writes, each array once."""
    return sum(x.type.nbytes for x in (*dict.fromkeys(k.node.operands), *k.node.outputs))


def multiply_adds(k: Kernel) -> int:
    """As the papers count; an algorithm that needs fewer is credited with those of the direct one."""
    work = k.node.op.work
    return work(k.node.attrs, *(x.type for x in k.node.operands)).multiply_adds if work else 0


def operations(k: Kernel) -> int:
    """Floating-point operations: two a multiply-add, and one for each scalar primitive of what works number by number."""
    inner = k.node.attrs.inner.nodes if k.node.op.name == "fused" else (k.node,)
    return sum(_operations(n) for n in inner if n.op not in SOURCES)


def _operations(node: Node) -> int:
    if node.op.pointwise is not None:
        return node.outputs[0].type.elements * _primitives(node.op.expressions(node.attrs, len(node.operands)))
    if node.op.work is None:
        return 0
    found = node.op.work(node.attrs, *(x.type for x in node.operands))
    return 2 * found.multiply_adds + found.operations


def _primitives(roots: tuple[Expr, ...]) -> int:
    """Distinct primitives, each computed once; variables and constants are none."""
    seen: set[Expr] = set()
    pending = list(roots)
    while pending:
        e = pending.pop()
        if e not in seen:
            seen.add(e)
            pending += e.args
    return sum(bool(e.args) for e in seen)


def anchor(k: Kernel) -> Node:
    """The node that the kernel is about; of a chain of pointwise ones, the kernel's own."""
    found: Node | None = k.node.attrs.anchor if k.node.op.name == "fused" else None
    return found or k.node


def kind(k: Kernel) -> str:
    """`conv 3x3`, `depthwise conv 3x3`, `max_pool`, `pointwise`: what kernels are grouped by."""
    node = anchor(k)
    name, a = node.op.name, node.attrs
    if name == "fused" or node.op.pointwise is not None:
        return "pointwise"
    kernel, groups = getattr(a, "kernel", None), getattr(a, "groups", 1)
    if not isinstance(kernel, tuple):
        return name
    channels = (node.operands[0].type.channels, getattr(a, "sizes", (0,))[-1])
    return f"{'depthwise ' * (1 < groups in channels)}{name} {'x'.join(map(str, kernel))}"
