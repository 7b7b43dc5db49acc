"""verify: is a graph well formed? Run after every pass, in one walk, by the same shape rules that build graphs."""

from __future__ import annotations

from cnndsl.errors import CnnError, error
from cnndsl.graph.graph import INPUT, SOURCES, STATE, Graph, Node


def verify(graph: Graph, *, specialised: bool = False) -> None:
    """Raises E601 on: a node out of order or of another graph, a type that the shape rule does not give, an input or
    state without its node, a result that is not a value of the graph; with `specialised`, a size that is no integer.
    """
    for position, node in enumerate(graph.nodes):
        if node.id != position or node.graph is not graph:
            raise _broken(node, "it does not stand where it says")
        for x in node.operands:
            if x.node.graph is not graph or x.node.id >= position or x.node.outputs[x.index] is not x:
                raise _broken(node, f"its operand {x} does not come before it in this graph")
        if node.op not in SOURCES:
            _types(node)
        if specialised and not all(y.type.is_static for y in node.outputs):
            raise _broken(node, "a size is not bound")
    _interface(graph)


def _types(node: Node) -> None:
    try:
        inferred = node.op.infer(node.attrs, *(x.type for x in node.operands))
    except CnnError as e:
        raise _broken(node, f"its shape rule refuses its operands: {e.diagnostics[0].message}") from None
    for y, type_ in zip(node.outputs, inferred, strict=True):
        if y.type.shape != type_.shape or y.type.dtype != type_.dtype:
            raise _broken(node, f"its type is {y.type}, the shape rule gives {type_}")


def _interface(graph: Graph) -> None:
    for what, op, values in (("input", INPUT, graph.inputs), ("state", STATE, graph.state_values)):
        for name, value in values.items():
            if value.node.graph is not graph or value.node.op is not op or value.node.attrs.name != name:
                raise error("E601", f"{graph.name}: {what} {name} has no node of its own")
    for name in graph.state:
        if name not in graph.state_values:
            raise error("E601", f"{graph.name}: state {name} is declared and has no value")
    for what, found in (("output", graph.outputs), ("update", graph.updates), ("name", graph.names), ("head", graph.heads)):
        for name, value in found.items():
            if value.node.graph is not graph:
                raise error("E601", f"{graph.name}: {what} {name} belongs to another graph")
    for name, value in graph.updates.items():
        state = graph.state.get(name)
        if state is None or (state.type.shape, state.type.dtype) != (value.type.shape, value.type.dtype):
            raise error("E601", f"{graph.name}: the update of {name} does not fit")


def _broken(node: Node, why: str) -> CnnError:
    return error("E601", f"node {node.id} ({node.op.name} {node.path}): {why}", node.origin.span)
