"""Reverse mode: append to a graph the gradient of one value with respect to others.

Each op's `vjp` returns graph, so the backward pass goes through the same passes, plan and targets as the forward
one. Griewank, Walther, "Evaluating Derivatives", 2008, chapter 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cnndsl.errors import error
from cnndsl.graph.expr import Expr, derivative, ordered, substitute, variables
from cnndsl.graph.graph import NOWHERE, STATE, Graph, Node, Origin, Value
from cnndsl.ops.pointwise import POINTWISE, PointwiseAttrs


def differentiate(graph: Graph, loss: Value, wrt: Sequence[Value]) -> list[Value | None]:
    """Append d `loss` / d x for each x of `wrt`; None where `loss` does not depend on it.

    `loss` is a float scalar of `graph`. The graph must be specialised: gradients of windows need integer sizes.
    Raises E603 where an op on the way has no gradient.
    """
    if loss.type.shape != () or not loss.type.is_float:
        raise error("E603", f"a loss is one float number, this value has type {loss.type}")
    reached = _depends(graph, wrt)
    first = len(graph.nodes)
    gradients: dict[Value, Value] = {loss: graph.constant(1.0, loss.type.dtype)}
    for node in reversed(graph.nodes[: loss.node.id + 1]):
        gys = [gradients.get(y) for y in node.outputs]
        if all(gy is None for gy in gys) or not reached[node.id] or not node.operands:
            continue
        graph.origin = Origin(f"{node.path or node.op.name}.grad", node.origin.span, node.origin.frames)
        for x, gx in zip(node.operands, _vjp(graph, node, gys, reached), strict=True):
            if gx is not None and reached[x.node.id]:
                before = gradients.get(x)
                gradients[x] = gx if before is None else graph.pointwise(lambda e, p, q: p + q, before, gx)
    graph.origin = NOWHERE
    for x in wrt:
        _name(gradients.get(x), x, first)
    return [gradients.get(x) for x in wrt]


def _name(gradient: Value | None, of: Value, first: int) -> None:
    """Call the node that makes the gradient of a weight by the weight's name, `conv2.weight.grad`: it makes nothing else."""
    if gradient is None or of.node.op is not STATE:
        return
    node = gradient.node
    while node.op.view:
        node = node.operands[0].node
    if node.id >= first and node.path.endswith(".grad"):
        node.origin = replace(node.origin, path=f"{of.node.attrs.name}.grad")


def _depends(graph: Graph, wrt: Sequence[Value]) -> list[bool]:
    """For each node: does any output depend on a value of `wrt`?"""
    reached = [False] * len(graph.nodes)
    for x in wrt:
        reached[x.node.id] = True
    for node in graph.nodes:
        if any(reached[x.node.id] for x in node.operands):
            reached[node.id] = True
    return reached


def _vjp(graph: Graph, node: Node, gys: list[Value | None], reached: list[bool]) -> Sequence[Value | None]:
    op = node.op
    if op.vjp is not None:
        return op.vjp(graph, node.attrs, node.operands, node.outputs, gys)
    if op.pointwise is None:
        raise error("E603", f"{op.name} has no gradient: {op.no_gradient}", node.origin.span, frames=node.origin.frames)
    return [_pointwise_vjp(graph, node, gys, i) if reached[x.node.id] else None for i, x in enumerate(node.operands)]


def _pointwise_vjp(graph: Graph, node: Node, gys: list[Value | None], index: int) -> Value | None:
    """Σ over outputs of gy · ∂y/∂x, summed over the axes along which x was stretched."""
    x = node.operands[index]
    if not x.type.is_float:
        return None
    total: Value | None = None
    for output, gy in zip(node.op.expressions(node.attrs, len(node.operands)), gys, strict=True):
        partial = derivative(output, index)
        if gy is None or partial is None:
            continue
        count = len(node.operands)
        whole = variables(count + 1)[count] * partial
        used = sorted({e.value for e in ordered([whole]) if e.fn == "var"})
        renamed = substitute(whole, [Expr("var", (), used.index(i)) if i in used else whole for i in range(count + 1)])
        operands = [(*node.operands, gy)[i] for i in used]
        term = graph.add(POINTWISE, operands, PointwiseAttrs((renamed,)))[0]
        total = term if total is None else graph.pointwise(lambda e, p, q: p + q, total, term)
    return None if total is None else unbroadcast(graph, total, x)


def unbroadcast(graph: Graph, g: Value, x: Value) -> Value:
    """`g` summed over the axes along which `x` was stretched, so that it has x's shape."""
    if g.type.shape == x.type.shape:
        return g
    extra = g.type.rank - x.type.rank
    axes = [*range(extra), *(extra + i for i, n in enumerate(x.type.shape) if n == 1 and g.type.shape[extra + i] != 1)]
    summed: Value = graph.reduce_sum(g, axes=tuple(axes))
    return summed if summed.type.shape == x.type.shape else graph.view(summed, shape=x.type.shape)
