"""common_subexpressions: nodes with the same op, attributes and operands are computed once.

What it relies on: every op is pure. Random bits are too: their stream is an attribute, so two dropouts differ.
Sources (inputs, state) stay as they are; equal constants become one.
"""

from __future__ import annotations

from cnndsl.graph.graph import CONSTANT, SOURCES, Graph, Node, Value, copy_node, rewrite
from cnndsl.passes.context import Context


def common_subexpressions(graph: Graph, ctx: Context) -> Graph:
    seen: dict[tuple[object, ...], tuple[Value, ...]] = {}

    def visit(out: Graph, node: Node, operands: tuple[Value, ...]) -> tuple[Value, ...] | None:
        if node.op in SOURCES and node.op is not CONSTANT:
            return None
        # repr tells 0.0 from -0.0 and 1 from True, which == does not
        key = (node.op, repr(node.attrs), *operands) if node.op is CONSTANT else (node.op, _exact(node.attrs), *operands)
        found = seen.get(key)
        if found is not None:
            ctx.log.fired(f"computed once: {node.op.name}", node)
            return found
        made = copy_node(out, node, operands)
        seen[key] = made
        return made

    return rewrite(graph, visit)


def _exact(attrs: object) -> object:
    """A key of attributes: they themselves, and their text where numbers might compare equal without being the same."""
    from cnndsl.ops.fused import FusedAttrs

    return id(attrs) if isinstance(attrs, FusedAttrs) else repr(attrs)
