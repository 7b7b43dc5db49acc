"""fold_constants: what depends on constants alone becomes a constant, by the op's own meaning.

Only results of at most 4 KB: a constant is text in the emitted file. State is not constant: weights change. Floats are
folded in float64 and keep those digits, as a constant of the model does: only what is computed with them is rounded.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cnndsl.graph.graph import CONSTANT, CONSTANT_BYTES, SOURCES, Graph, Node, Value, copy_node, rewrite
from cnndsl.passes.context import Context


def fold_constants(graph: Graph, ctx: Context) -> Graph:
    """`graph` must be specialised."""

    def visit(out: Graph, node: Node, operands: tuple[Value, ...]) -> tuple[Value, ...] | None:
        if node.op in SOURCES or not operands or any(x.node.op is not CONSTANT for x in operands):
            return None
        if node.op.view:
            return copy_node(out, node, operands)
        size = max(y.type.nbytes for y in node.outputs)
        if size > CONSTANT_BYTES:
            ctx.log.refused("folded", node, f"its result has {size} bytes, a constant at most {CONSTANT_BYTES}")
            return None
        found = _evaluated(node, operands)
        with np.errstate(all="ignore"):
            narrow = [a.astype(y.type.dtype) for a, y in zip(found, node.outputs, strict=True)]
        if any(not np.all(np.isfinite(a)) for a in narrow if a.dtype.kind == "f"):
            ctx.log.refused("folded", node, "its result is not finite")
            return None
        ctx.log.fired(f"folded {node.op.name}", node)
        return tuple(
            out.constant(tuple(a.reshape(-1).tolist()), y.type.dtype, y.type.sizes)
            for a, y in zip(found, node.outputs, strict=True)
        )

    return rewrite(graph, visit)


def _evaluated(node: Node, operands: tuple[Value, ...]) -> list[np.ndarray[Any, Any]]:
    attrs = node.op.resolved(node.attrs, *(x.type for x in operands))
    arrays = [np.asarray(x.node.attrs.data, _wide(x)).reshape(x.type.sizes) for x in operands]
    with np.errstate(all="ignore"):
        found = node.op.reference(np, attrs, *arrays)
    return [np.asarray(a, _wide(y)) for a, y in zip(found, node.outputs, strict=True)]


def _wide(x: Value) -> str:
    return "float64" if x.type.is_float else x.type.dtype
