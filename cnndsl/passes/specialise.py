"""specialise: bind the batch and every symbolic size, and make what depends on sizes explicit.

After it all sizes are integers and every node's attributes have been through its op's `resolve` (pads are numbers).
Raises E604 where a symbol has no value, E606 for what is no size, E909 for a tensor too large, and the shape rules' own
errors where a size does not fit.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

from cnndsl.errors import briefly, error
from cnndsl.graph.graph import INPUT, Graph, Node, SourceAttrs, Value, copy_node, rewrite
from cnndsl.graph.sizes import Affine, example
from cnndsl.graph.types import BATCH, MOST_ELEMENTS, numbers
from cnndsl.passes.context import Context


def specialise(graph: Graph, ctx: Context) -> Graph:
    batch = ctx.options.batch
    values = _quotients(graph, {**checked_sizes(graph, ctx.options.sizes), BATCH.terms[0][0]: batch})

    def visit(out: Graph, node: Node, operands: tuple[Value, ...]) -> tuple[Value, ...]:
        if node.op is INPUT:
            return _bounded(_bound_input(out, node, values, frozenset()), batch)
        attrs = node.op.resolved(node.attrs, *(x.type for x in operands))
        return _bounded(copy_node(out, node, operands, None if attrs == node.attrs else attrs), batch)

    bound = rewrite(graph, visit)
    bound.symbols.clear()
    return bound


def bind_sizes(graph: Graph, sizes: Mapping[str, int]) -> Graph:
    """The graph with its symbolic sizes bound and its batch still free. Raises as `specialise` does."""
    values, free = _quotients(graph, checked_sizes(graph, sizes)), frozenset(name for name, _ in BATCH.terms)

    def visit(out: Graph, node: Node, operands: tuple[Value, ...]) -> tuple[Value, ...]:
        return _bounded(_bound_input(out, node, values, free) if node.op is INPUT else copy_node(out, node, operands))

    bound = rewrite(graph, visit)
    bound.symbols.clear()
    return bound


def checked_sizes(graph: Graph, sizes: Any) -> dict[str, int]:
    """`sizes` as symbol → whole number. Raises E606 for anything else, and for the batch, which is no symbol of an input;
    E604 for a symbol that no input has, and for a size that is not the multiple that an input asks for."""
    if not isinstance(sizes, Mapping):
        raise error("E606", f"sizes are given by name, not as {briefly(sizes)}", help='sizes={"H": 256, "W": 256}')
    found: dict[str, int] = {}
    for name, size in sizes.items():
        if not isinstance(name, str):
            raise error("E606", f"a size is called by a symbol of an input, not by {briefly(name)}")
        if name == str(BATCH):
            raise error("E606", f"{name} is the batch, which is no size of an input", help="batch=4 binds it")
        try:
            found[name] = 0 if isinstance(size, bool) else operator.index(size)
        except TypeError:
            found[name] = 0
        if not 1 <= found[name] <= MOST_ELEMENTS:
            raise error("E606", f"{name} is a whole number from 1 to {MOST_ELEMENTS}, not {briefly(size)}")
    symbols = _symbols(graph)
    known = symbols | {s.partition("/")[0] for s in symbols}
    unknown = sorted(set(found) - known)
    if unknown:
        help = "sizes are bound by the symbols of the inputs"
        raise error("E604", f"{graph.name} has no size named {unknown[0]}", help=help)
    _quotients(graph, found)
    return found


def _symbols(graph: Graph) -> set[str]:
    """The symbols of the inputs, as `H` and `W/32`."""
    return {s for x in graph.inputs.values() for n in x.type.shape if isinstance(n, Affine) for s, _ in n.terms}


def _bounded(made: tuple[Value, ...], batch: int = 1) -> tuple[Value, ...]:
    """`made`, where no array of it is too large for any machine. Raises E909."""
    for y in made:
        if numbers(y.type.shape) > MOST_ELEMENTS * batch:
            what = f"{y.node.op.name} makes {y.type}: at most {MOST_ELEMENTS:,} numbers an image are allowed"
            raise error("E909", what, y.node.origin.span, frames=y.node.origin.frames)
    return made


def _bound_input(out: Graph, node: Node, values: Mapping[str, int], free: frozenset[str]) -> tuple[Value, ...]:
    """The input with its sizes bound. E604 where a symbol that is not `free` has no value, E303 where a size is none."""
    bound = node.attrs.type.bind(values)
    left = {name for s in bound.shape if isinstance(s, Affine) for name, _ in s.terms} - free
    if left:
        shape = node.attrs.type.shape[1:] if node.attrs.batched else node.attrs.type.shape
        symbols = sorted({name.partition("/")[0] for name in left})
        raise error("E604", f"input {node.attrs.name}: no size is given for {', '.join(symbols)}",
                    node.origin.span, help=f"bind it, as in --input {node.attrs.name}={example(shape)}")  # fmt: skip
    small = [s for s in bound.shape if isinstance(s, int) and s < 1]
    if small:
        raise error("E303", f"input {node.attrs.name}: a size is at least 1, not {small[0]}", node.origin.span)
    attrs = SourceAttrs(node.attrs.name, (), bound, node.attrs.batched)
    return out.add(INPUT, (), attrs, node.origin)


def _quotients(graph: Graph, values: dict[str, int]) -> dict[str, int]:
    """`values` with `H/32` wherever an input's `where H % 32 == 0` makes that the symbol. Raises E604 where H does not fit."""
    found = dict(values)
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
