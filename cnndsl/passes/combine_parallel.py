"""combine_parallel: 1×1 convolutions of one value become one convolution with all their filters.

    conv(x, w₁, b₁), conv(x, w₂, b₂), …  =  the channels of conv(x, [w₁ w₂ …], [b₁ b₂ …])

One product reads x once instead of several times, and is wide enough to be fast. Where an activation follows each, one
follows the whole. Readers take their channels where they lie, without a copy, where the target can read with gaps. The
combined weight is made when weights are loaded.

And an average of a window commutes with a 1×1 convolution, which then reads the value itself:

    conv(avg_pool(x), w) + b  =  avg_pool(conv(x, w)) + b

which pools F channels instead of C. It must not fire where the average is read elsewhere or F > C.

Convolutions must not be combined where kernel, stride, padding, groups or element type differ, where weights change in a
run (training: a combined weight would be laid together at every step, and its gradient be cut), where a convolution is a
result, or where different activations follow: they would not be fused into the product any more.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile

from cnndsl.graph.fixed import fixed_nodes
from cnndsl.graph.graph import Graph, Node, Origin, Value, copy_node, rewrite
from cnndsl.passes.context import Context


def combine_parallel(graph: Graph, ctx: Context) -> Graph:
    """`graph` must be specialised."""
    if ctx.target is None or not ctx.target.strided:
        return graph
    return _combined(_pooled_later(graph, ctx), ctx)


def _pooled_later(graph: Graph, ctx: Context) -> Graph:
    users = graph.users()
    wanted = {x.node for x in graph.results}
    swapped: dict[Node, Node] = {}  # the convolution, the pool before it
    for pool in graph.nodes:
        if pool.op.name != "avg_pool" or pool in wanted:
            continue
        readers = users[pool.id]
        why = _cannot_wait(pool, readers)
        if why:
            ctx.log.refused("moved", pool, why)
        else:
            ctx.log.fired(f"moved behind {readers[0].path}", pool)
            swapped[readers[0]] = pool
    if not swapped:
        return graph
    pools = set(swapped.values())

    def visit(out: Graph, node: Node, operands: tuple[Value, ...]) -> tuple[Value, ...] | None:
        if node in pools:
            return (operands[0],)
        pool = swapped.get(node)
        if pool is None:
            return None
        x, w, *bias = operands
        y = out.add(node.op, (x, w), replace(node.attrs, bias=False), node.origin)
        pooled = out.add(pool.op, y, pool.attrs, pool.origin)
        return (out.pointwise(lambda g, y, b: y + b, pooled[0], bias[0], origin=node.origin),) if bias else pooled

    return rewrite(graph, visit, gone=pools)


def _cannot_wait(pool: Node, readers: list[Node]) -> str:
    if len(readers) != 1 or readers[0].op.name != "conv":
        return "not one convolution alone reads it"
    conv = readers[0]
    if conv.operands[0] is not pool.outputs[0] or not _is_pointwise(conv):
        return f"{conv.path} is no 1×1 convolution of it"
    if conv.outputs[0].type.sizes[-1] > pool.outputs[0].type.sizes[-1]:
        return f"{conv.path} has more filters than it has channels"
    if pool.attrs.stride != (1,) * len(pool.attrs.stride):
        return "it makes the image smaller"
    return ""


def _is_pointwise(conv: Node) -> bool:
    """Whether a convolution sees one position at a time."""
    a = conv.attrs
    ones = all(n == 1 for part in (a.kernel, a.stride) for n in part)
    return ones and a.groups == 1 and all(p == 0 for pair in a.pad for p in pair)


def _combined(graph: Graph, ctx: Context) -> Graph:
    users = graph.users()
    fixed = fixed_nodes(graph)
    wanted = {x.node for x in graph.results}
    members: dict[tuple[object, ...], list[Node]] = {}
    activation: dict[Node, Node] = {}
    for node in graph.nodes:
        if node.op.name != "conv" or not _is_pointwise(node):
            continue
        after = users[node.id]
        single = len(after) == 1 and after[0].op.pointwise is not None and len(after[0].operands) == 1
        if node in wanted or (single and after[0] in wanted):
            ctx.log.refused("combined", node, "its value is a result")
        elif not all(fixed[x.node.id] for x in node.operands[1:]):
            ctx.log.refused("combined", node, "its weight changes in a run")
        elif not single and any(u.op.pointwise is not None for u in after):
            ctx.log.refused("combined", node, "what follows is fused into it")
        else:
            said: tuple[object, ...] = ()
            if single:
                activation[node] = after[0]
                said = (after[0].op.name, after[0].attrs)
            key = (node.operands[0], replace(node.attrs, filters=1, init="he_normal"), *said)
            members.setdefault(key, []).append(node)
    groups = [found for found in members.values() if len(found) > 1]
    if not groups:
        return graph
    return _laid_together(graph, groups, activation, fixed, ctx)


def _laid_together(
    graph: Graph, groups: list[list[Node]], activation: dict[Node, Node], fixed: list[bool], ctx: Context
) -> Graph:
    first = {found[0]: found for found in groups}
    parts: dict[Node, Value] = {}  # what stands for a convolution, or for the activation behind it
    moved: dict[Value, Value] = {}
    for found in groups:
        for node in found:
            ctx.log.fired(f"combined with {', '.join(x.path for x in found if x is not node)}", node)

    def visit(out: Graph, node: Node, operands: tuple[Value, ...]) -> tuple[Value, ...] | None:
        if node in first:
            _make(out, first[node], operands[0], moved, activation, parts)
        if node in parts:
            return (parts[node],)
        if activated.get(node) in parts:
            return (operands[0],)  # it stands before the parts already
        made = None
        if fixed[node.id]:
            made = copy_node(out, node, operands)
            moved.update(zip(node.outputs, made, strict=True))
        return made

    activated = {act: conv for conv, act in activation.items()}
    return rewrite(graph, visit, _weights_first(graph, first), gone={n for found in groups for n in found if n in activation})


def _weights_first(graph: Graph, first: dict[Node, list[Node]]) -> list[Node]:
    """The nodes in order, but before the first convolution of a group all that makes the weights of the others."""
    order: dict[Node, None] = {}
    for node in graph.nodes:
        made: set[Node] = set()
        waiting = [x.node for member in first.get(node, ()) for x in member.operands[1:]]
        while waiting:
            below = waiting.pop()
            if below not in order and below not in made:
                made.add(below)
                waiting.extend(x.node for x in below.operands)
        order.update(dict.fromkeys(sorted(made, key=lambda n: n.id)))
        order[node] = None
    return list(order)


def _make(
    out: Graph, found: list[Node], x: Value, moved: dict[Value, Value], activation: dict[Node, Node], parts: dict[Node, Value]
) -> None:
    """The combined convolution, its activation, and the parts of it."""
    path = _common([node.path for node in found])
    origin = Origin(path, found[0].origin.span)
    weight = out.concat(*(moved[node.operands[1]] for node in found), origin=Origin(f"{path}.weight", origin.span))
    operands = [x, weight]
    if found[0].attrs.bias:
        rows = [out.view(moved[n.operands[2]], shape=(1, n.attrs.filters)) for n in found]
        row = out.concat(*rows, origin=Origin(f"{path}.bias", origin.span))
        operands.append(out.view(row, shape=(sum(n.attrs.filters for n in found),)))
    attrs = replace(found[0].attrs, filters=sum(n.attrs.filters for n in found))
    whole = out.add(found[0].op, operands, attrs, origin)[0]
    if found[0] in activation:
        act = activation[found[0]]
        whole = out.add(act.op, (whole,), act.attrs, origin)[0]
    start = 0
    for node in found:
        sizes = node.outputs[0].type.sizes[1:]
        parts[node] = out.take_part(whole, start=start, sizes=sizes, origin=node.origin)
        start += sizes[-1]


def _common(paths: list[str]) -> str:
    """`block.one.conv`, `block.two.conv` → `block.parallel`."""
    words = [p.split(".") for p in paths]
    shared = [column[0] for column in takewhile(lambda column: len(set(column)) == 1, zip(*words, strict=False))]
    return ".".join([*shared, "parallel"])
