"""specialise: bind the batch and every symbolic size, and make what depends on sizes explicit.

After it all sizes are integers and every node's attributes have been through its op's `resolve` (pads are numbers).
Raises E604 where a symbol has no value, and the shape rules' own errors where a size does not fit.
"""

from __future__ import annotations

from collections.abc import Mapping

from cnndsl.errors import error
from cnndsl.graph.graph import INPUT, Graph, Node, SourceAttrs, Value, copy_node, rewrite
from cnndsl.graph.sizes import Affine
from cnndsl.graph.types import BATCH
from cnndsl.passes.context import Context


def specialise(graph: Graph, ctx: Context) -> Graph:
    values = _quotients(graph, {BATCH.terms[0][0]: ctx.options.batch, **ctx.options.sizes})

    def visit(out: Graph, node: Node, operands: tuple[Value, ...]) -> tuple[Value, ...]:
        if node.op is INPUT:
            return _bound_input(out, node, values, frozenset())
        attrs = node.op.resolved(node.attrs, *(x.type for x in operands))
        return copy_node(out, node, operands, None if attrs == node.attrs else attrs)

    return rewrite(graph, visit)


def bind_sizes(graph: Graph, sizes: Mapping[str, int]) -> Graph:
    """The graph with its symbolic sizes bound and its batch still free. Raises as `specialise` does."""
    values, batch = _quotients(graph, dict(sizes)), frozenset(name for name, _ in BATCH.terms)

    def visit(out: Graph, node: Node, operands: tuple[Value, ...]) -> tuple[Value, ...]:
        return _bound_input(out, node, values, batch) if node.op is INPUT else copy_node(out, node, operands)

    return rewrite(graph, visit)


def _bound_input(out: Graph, node: Node, values: Mapping[str, int], free: frozenset[str]) -> tuple[Value, ...]:
    """The input with its sizes bound. E604 where a symbol that is not `free` has no value."""
    bound = node.attrs.type.bind(values)
    left = {name for s in bound.shape if isinstance(s, Affine) for name, _ in s.terms} - free
    if left:
        raise error("E604", f"input {node.attrs.name}: no size is given for {', '.join(sorted(left))}",
                    node.origin.span, help=f"bind it, as in --input {node.attrs.name}=256x256x3")  # fmt: skip
    attrs = SourceAttrs(node.attrs.name, (), bound, node.attrs.batched)
    return out.add(INPUT, (), attrs, node.origin)


def _quotients(graph: Graph, values: dict[str, int]) -> dict[str, int]:
    """`values` with `H/32` wherever an input's `where H % 32 == 0` makes that the symbol. Raises E604 where H does not fit."""
    found = dict(values)
    symbols = {s for x in graph.inputs.values() for n in x.type.shape if isinstance(n, Affine) for s, _ in n.terms}
    unknown = sorted(set(values) - symbols - {s.partition("/")[0] for s in symbols} - {s for s, _ in BATCH.terms})
    if unknown:
        raise error("E604", f"{graph.name} has no size named {unknown[0]}", help="sizes are bound by the symbols of the inputs")
    for value in graph.inputs.values():
        symbols = {name for s in value.type.shape if isinstance(s, Affine) for name, _ in s.terms}
        for symbol in sorted(symbols - set(found)):
            name, slash, divisor = symbol.partition("/")
            if slash and name in values:
                if values[name] % int(divisor):
                    message = f"{name} is a multiple of {divisor}, not {values[name]}"
                    raise error("E604", message, value.node.origin.span)
                found[symbol] = values[name] // int(divisor)
    return found
