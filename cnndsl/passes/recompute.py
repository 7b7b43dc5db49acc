"""recompute: activations that the backward pass needs are made again there, instead of being kept from the forward pass.

    forward   x → conv → y → batch_norm → relu → z → conv …      z is kept until the gradient of the second conv needs it
    becomes   … y is kept; just before that gradient             z' = relu(batch_norm(y))

Two degrees. Up to 1, a share of what is cheap to make again (number by number, joins, pads), the largest first. Above 1,
of all values only every k-th of those through which everything flows is kept, and what lies between is made again when
the backward pass comes there: Chen, Xu, Zhang, Guestrin, "Training Deep Nets with Sublinear Memory Cost", 2016.

What it relies on: ops are pure, random numbers are functions of the step, so what is made again has the same bits. It
costs time and saves memory, so it fires only where memory is bounded (`--max-memory`); `runtime.compile` looks for the
least degree that fits. It must not fire on inference, nor make again what is small or what the forward pass still reads.
"""

from __future__ import annotations

from cnndsl.errors import size
from cnndsl.graph.graph import SOURCES, Graph, Node, Value, copy_node, finish
from cnndsl.passes.context import Context

SMALL = 1 << 16  # bytes: below, keeping costs less than a call
CHEAP = ("concat", "pad", "take_part", "resample", "crop", "random_bits")


def recompute(graph: Graph, ctx: Context) -> Graph:
    """`graph` must be a specialised training step with the output `loss`."""
    degree = ctx.options.recompute
    if not ctx.options.training or degree <= 0 or "loss" not in graph.outputs:
        return graph
    forward = _forward(graph)
    wanted = _read_later(graph, forward)
    if degree <= 1:
        dropped = _cheap_share(forward, wanted, degree)
    else:
        kept = _flow_through(graph, forward)[:: max(1, round(degree))]
        dropped = {v for node in forward for v in node.outputs if _large(v) and node.op not in SOURCES} - set(kept)
    for v in sorted(dropped & wanted, key=lambda v: v.node.id):
        ctx.log.fired(f"{v.node.op.name} made again, {size(v.type.nbytes)}", v.node)
    return _rewritten(graph, forward, dropped)


def _forward(graph: Graph) -> set[Node]:
    """What the loss depends on."""
    found: set[Node] = set()
    pending = [graph.outputs["loss"].node]
    while pending:
        node = pending.pop()
        if node not in found:
            found.add(node)
            pending += [x.node for x in node.operands]
    return found


def _read_later(graph: Graph, forward: set[Node]) -> set[Value]:
    """Large values of the forward pass that other nodes read."""
    return {x for n in graph.nodes if n not in forward for x in n.operands if x.node in forward and _large(x)}


def _large(v: Value) -> bool:
    return v.type.nbytes >= SMALL


def _is_cheap(node: Node) -> bool:
    return node.op.pointwise is not None or node.op.view or node.op.name in CHEAP


def _cheap_share(forward: set[Node], wanted: set[Value], share: float) -> set[Value]:
    """The largest of the values that are cheap to make again, down to this share of their bytes; and what nobody would
    keep but for them.
    """
    cheap = {v for n in forward if _is_cheap(n) and n.op not in SOURCES for v in n.outputs if _large(v)}
    largest = sorted(cheap & wanted, key=lambda v: (-v.type.nbytes, v.node.id))
    left = share * sum(v.type.nbytes for v in largest)
    found = cheap - wanted
    for v in largest:
        if left <= 0:
            break
        found.add(v)
        left -= v.type.nbytes
    return found


def _flow_through(graph: Graph, forward: set[Node]) -> list[Value]:
    """Values through which everything flows: where each is made, it alone is read by the rest of the forward pass."""
    last: dict[Value, int] = {}
    order = [n for n in graph.nodes if n in forward]
    for node in order:
        for x in node.operands:
            if x.node.op not in SOURCES and _large(x):
                last[x] = node.id
    found: list[Value] = []
    alive: set[Value] = set()
    for node in order:
        alive = {v for v in alive if last[v] > node.id}
        alive |= {y for y in node.outputs if last.get(y, -1) > node.id}
        if len(alive) == 1 and next(iter(alive)).node is node:
            found += alive
    return found


def _rewritten(graph: Graph, forward: set[Node], dropped: set[Value]) -> Graph:
    out = Graph(graph.name)
    out.state.update(graph.state)
    new: dict[Value, Value] = {}
    again: dict[Value, Value] = {}

    def made_again(value: Value) -> Value:
        """The second copy of a dropped value; what it needs and is dropped too comes first."""
        needed: set[Node] = set()
        pending = [value]
        while pending:
            v = pending.pop()
            if v in dropped and v not in again and v.node not in needed:
                needed.add(v.node)
                pending += v.node.operands
        for node in sorted(needed, key=lambda n: n.id):
            operands = tuple(again.get(x, new[x]) if x in dropped else new[x] for x in node.operands)
            again.update(zip(node.outputs, copy_node(out, node, operands), strict=True))
        return again[value]

    for node in graph.nodes:
        late = node not in forward
        operands = tuple(made_again(x) if late and x in dropped else new[x] for x in node.operands)
        new.update(zip(node.outputs, copy_node(out, node, operands), strict=True))
    return finish(out, graph, new.get)
