"""fold_padding: an explicit `pad` with zeros becomes the padding of the convolution or pool that reads it.

    conv(pad(x, p), w; pad = q)                     =  conv(x, w; pad = p + q)         both pad with zeros
    conv_weight_grad(pad(x, p), gy; pad = q)        =  conv_weight_grad(x, gy; pad = p + q)
    avg_pool(pad(x, p); pad = q, count_padding)     =  avg_pool(x; pad = p + q, count_padding)
    max_pool(pad(x, p); pad = q)                    =  max_pool(x; pad = p + q)        only where x ≥ 0

An average without `count_padding` counts the zeros of a `pad` all the same, so it takes them only where it has no padding
of its own, and counts them from then on. A maximum pads with −∞: the zeros may go only where they never win, that is
where every number is 0 at least and every window holds one of them. What follows a convolution's gradient in training
(`pad_grad`) folds the same way.

It must not fire where a reader cannot take it (then the padded value is made anyway), where the value is wanted itself,
where channels are padded, or by other modes than zeros.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cnndsl.errors import CnnError
from cnndsl.graph.graph import Graph, Node, Value, rewrite
from cnndsl.graph.types import TensorType
from cnndsl.passes.context import Context
from cnndsl.passes.ranges import Interval, ranges

Pads = tuple[tuple[int, int], ...]
READERS = ("conv", "conv_weight_grad", "avg_pool", "max_pool")


def fold_padding(graph: Graph, ctx: Context) -> Graph:
    """`graph` must be specialised."""
    users = graph.users()
    wanted = set(graph.results)
    folded: set[Node] = set()
    changed: dict[Node, Any] = {}  # reader → its new attributes
    told: list[tuple[Node, dict[Node, Any] | str]] = []
    pads = [n for n in graph.nodes if n.op.name == "pad"]
    crops = [n for n in graph.nodes if n.op.name == "pad_grad"]
    known = ranges(graph) if pads else {}
    for node in (*reversed(pads), *crops):  # of several in a row, the nearest to the convolution first
        if node.op.name == "pad":
            found = _into_readers(node, users, wanted, folded, changed, known)
        else:
            found = _into_gradient(node, users, wanted, folded, changed)
        told.append((node, found))
        if not isinstance(found, str):
            folded.add(node)
            changed.update(found)
    for node, found in sorted(told, key=lambda x: x[0].id):
        if isinstance(found, str):
            ctx.log.refused("folded", node, found)
        else:
            ctx.log.fired(f"folded into {', '.join(f'{x.op.name} {x.path}' for x in found)}", node)

    def visit(out: Graph, node: Node, operands: tuple[Value, ...]) -> tuple[Value, ...] | None:
        if node in folded:
            return (operands[0],)
        return out.add(node.op, operands, changed[node], node.origin) if node in changed else None

    return rewrite(graph, visit, gone={n for n in folded if n.op.name == "pad"})


def _into_readers(
    pad: Node,
    users: list[list[Node]],
    wanted: set[Value],
    folded: set[Node],
    changed: dict[Node, Any],
    known: dict[Value, Interval],
) -> dict[Node, Any] | str:
    """The readers' new attributes; or why the pad stays."""
    y, amount = pad.outputs[0], pad.resolved.amount
    if pad.attrs.mode != "zero":
        return f"it pads by the mode {pad.attrs.mode}"
    if pad.attrs.channels != (0, 0):
        return "it pads channels"
    if y in wanted:
        return "its value is a result"
    found: dict[Node, Any] = {}
    waiting = [pad]
    while waiting:
        through = waiting.pop()
        for user in dict.fromkeys(users[through.id]):
            if user in folded:
                waiting.append(user)
                continue
            if user.op.name not in READERS or through.outputs[0] in user.operands[1:]:
                return f"{user.op.name} reads it, which does not pad by itself"
            attrs = changed.get(user, user.resolved)
            new = _with_padding(user, attrs, amount, pad.operands[0].type, known[pad.operands[0]])
            if isinstance(new, str):
                return new
            found[user] = new
    return found or "nothing reads it"


def _with_padding(reader: Node, a: Any, amount: Pads, x: TensorType, numbers: Interval) -> Any | str:
    """Attributes of `reader` that give the same from what `amount` was to be put around; or why there are none."""
    name = reader.op.name
    own = any(n > 0 for pair in a.pad for n in pair)
    found = replace(a, pad=_sum(a.pad, amount))
    if name == "conv":
        if own and a.pad_mode != "zero":
            return f"the convolution's own padding has the mode {a.pad_mode}"
        found = replace(found, pad_mode="zero")
    elif name == "conv_weight_grad":
        return replace(found, sizes=x.sizes[1:])
    elif name == "avg_pool":
        if own and not a.count_padding:
            return "the average counts these zeros and not its own padding"
        found = replace(found, count_padding=True)
    elif numbers[0] < 0:
        return "a maximum pads with −∞, and zeros would win over negative numbers"
    try:
        types = reader.op.infer(found, x, *(v.type for v in reader.operands[1:]))
    except CnnError as e:
        return f"{name} would refuse it: {e.diagnostics[0].message}"
    if [t.shape for t in types] != [v.type.shape for v in reader.outputs]:
        return f"{name} would round its size otherwise"
    if name == "max_pool" and not _all_windows_see(found, x, types[0]):
        return "some windows lie in the padding alone"
    return found


def _all_windows_see(a: Any, x: TensorType, y: TensorType) -> bool:
    """Whether every window has a place inside the image: along each axis, a tap of each output."""
    for n, out, k, s, d, (begin, _) in zip(x.space, y.space, a.window, a.stride, a.dilation, a.pad, strict=True):
        assert isinstance(n, int) and isinstance(out, int)
        if any(not any(0 <= i * s - begin + m * d < n for m in range(k)) for i in range(out)):
            return False
    return True


def _into_gradient(
    crop: Node, users: list[list[Node]], wanted: set[Value], folded: set[Node], changed: dict[Node, Any]
) -> dict[Node, Any] | str:
    """A gradient by the padded value that is cropped: the gradient by the value itself."""
    a, made = crop.attrs, crop.operands[0]
    if a.mode != "zero":
        return f"it undoes the mode {a.mode}"
    if a.channels != (0, 0):
        return "it crops channels"
    alone = True
    while alone:
        alone = len(users[made.node.id]) == 1 and made not in wanted
        if made.node not in folded:
            break
        made = made.node.operands[0]
    grad = made.node
    if grad.op.name not in ("conv_input_grad", "avg_pool_grad"):
        return f"what is cropped comes from {grad.op.name}"
    if not alone:
        return f"the value of {grad.op.name} is read elsewhere too"
    own = changed.get(grad, grad.attrs)
    new = replace(own, pad=_sum(own.pad, a.amount), sizes=tuple(a.sizes))
    if grad.op.name == "avg_pool_grad":
        if any(n for pair in own.pad for n in pair) and not own.count_padding:
            return "the average counts these zeros and not its own padding"
        if any(n >= k for pair, k in zip(new.pad, new.window, strict=True) for n in pair):
            return "some windows would lie in the padding alone"
        new = replace(new, count_padding=True)
    try:
        grad.op.infer(new, *(v.type for v in grad.operands))
    except CnnError as e:  # the layer itself rounds its size otherwise without the pad
        return f"{grad.op.name} would refuse it: {e.diagnostics[0].message}"
    return {grad: new}


def _sum(p: Pads, q: Pads) -> Pads:
    return tuple((a + c, b + d) for (a, b), (c, d) in zip(p, q, strict=True))
