"""How each node runs: as a generated pointwise kernel, by kernels of its family, by `cupy.matmul`, or by its reference."""

from __future__ import annotations

from cnndsl.graph.graph import Node
from cnndsl.graph.target import Choice
from cnndsl.targets.cupy.kernels import KERNELS
from cnndsl.targets.cupy.kernels.pointwise import expressions
from cnndsl.targets.cupy.launch import Launch, launch, product, reads, writes

MATMUL = ("dense", "matmul")


def choose(node: Node) -> Choice:
    if is_pointwise(node):
        expressions(node)
        return Choice("pointwise")
    if node.op.name in MATMUL:
        return Choice("matmul")
    launches = launches_of(node)
    if launches is None:
        return Choice("reference", fallback=True)
    return Choice("kernels", scratch=4 * max((parts_of(x) for x in launches), default=0))


def is_pointwise(node: Node) -> bool:
    return node.attrs.anchor is None if node.op.name == "fused" else node.op.pointwise is not None


def launches_of(node: Node) -> list[Launch] | None:
    """The launches of a node that is neither pointwise nor a matrix product; None: it has no kernel here."""
    rule = KERNELS.get(node.op.name)
    if rule is None or any(not product(v.type.sizes) for v in node.outputs):
        return None
    return rule(node)


def parts_of(x: Launch) -> int:
    """How many numbers of scratch memory a launch writes: one a thread, where it writes any."""
    return x.grid[0] * x.block[0] if "parts[i] =" in x.source else 0


def add_bias(node: Node) -> Launch:
    """y += b, after the matrix product of a dense layer."""
    n, units = node.outputs[0].type.sizes
    return launch([reads("b", 2), writes("y", 0)], [f"y[i] += b[i % {units}];"], n * units, "bias")
