"""fused: several nodes that a target runs as one kernel. Made by the `fuse` pass, never written by a user.

The inner graph's inputs are the operands in order, its outputs the node's outputs. At most one inner node is not
pointwise, the anchor; what stands before it is its prologue, what follows its epilogue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnndsl.graph.graph import CONSTANT, INPUT, Graph, Node
from cnndsl.graph.op import Op, Work, expect
from cnndsl.graph.types import TensorType


@dataclass(frozen=True, eq=False)
class FusedAttrs:
    inner: Graph

    @property
    def anchor(self) -> Node | None:
        found = (n for n in self.inner.nodes if n.op not in (INPUT, CONSTANT) and n.op.pointwise is None and not n.op.view)
        return next(found, None)


def infer(a: FusedAttrs, *xs: TensorType) -> tuple[TensorType, ...]:
    wanted = [v.type for v in a.inner.inputs.values()]
    expect(list(xs) == wanted, "the operands the inner graph was made for", "E601", inner=wanted, operands=list(xs))
    return tuple(v.type for v in a.inner.outputs.values())


def reference(xp: Any, a: FusedAttrs, *xs: Any) -> tuple[Any, ...]:
    values: dict[Any, Any] = dict(zip(a.inner.inputs.values(), xs, strict=True))
    for node in a.inner.nodes:
        if node.op is INPUT:
            continue
        values.update(zip(node.outputs, node.op.reference(xp, node.resolved, *(values[x] for x in node.operands)), strict=True))
    return tuple(values[v] for v in a.inner.outputs.values())


def work(a: FusedAttrs, *xs: TensorType) -> Work:
    found = [n.op.work(n.attrs, *(x.type for x in n.operands)) for n in a.inner.nodes if n.op.work]
    return Work(sum(w.multiply_adds for w in found), sum(w.operations for w in found))


def batch(a: FusedAttrs) -> str:
    return "map" if a.anchor is None else a.anchor.op.batch_rule(a.anchor.attrs)


FUSED = Op("fused", FusedAttrs, infer, reference, inputs=None, batch=batch, work=work,
           no_gradient="gradients are taken before fusing")  # fmt: skip
