"""training: what differs while a network learns: batch norm uses the batch's statistics, dropout drops.

batch_norm(x, γ, β, mean, variance) → batch_norm(x, γ, β, *moments(x)), and the running statistics become
momentum · old + (1 − momentum) · new, the variance unbiased (n / (n − 1)): Ioffe, Szegedy 2015. dropout(x) → x / (1 − rate)
where u ≥ rate, else 0, with u from `random_bits(seed, step)` in the stream of the node's path. Declares the input
`seed` and the state `step`, which counts updates.

In a step of k parts (`passes.parts`) each part has statistics and a draw of its own, that of step · k + part; the running
statistics are updated once a step, by the mean of those of its parts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from cnndsl.errors import error
from cnndsl.graph.graph import INPUT, STATE, Graph, Node, Origin, State, Value, rewrite
from cnndsl.graph.sizes import Size
from cnndsl.graph.types import TensorType
from cnndsl.passes.context import Context
from cnndsl.passes.parts import part_input, summed

DROPS: dict[str, Callable[[tuple[Size, ...]], tuple[Size, ...]]] = {
    "dropout": lambda shape: shape,
    "spatial_dropout": lambda shape: (shape[0], *(1,) * (len(shape) - 2), shape[-1]),
    "stochastic_depth": lambda shape: (shape[0], *(1,) * (len(shape) - 1)),
}
"""word → the shape of what is drawn for a value of that shape; the rest is stretched."""


def training(graph: Graph, ctx: Context, frozen: Collection[str] = (), parts: int = 1) -> Graph:
    """`graph` must be specialised, to the images of one part where there are several. frozen: names of states that stay; a
    batch norm of theirs uses its running statistics."""
    from cnndsl.random import stream_of

    updates: dict[str, Value] = {}
    kept: dict[str, float] = {}  # of a running statistic, over a whole step
    clock: list[Value] = []
    met: dict[str, int] = {}

    def stream(node: Node) -> int:
        """Of the node's path; a shared step met again has the same path and draws from a stream of its own."""
        met[node.path] = met.get(node.path, 0) + 1
        return stream_of(node.path if met[node.path] == 1 else f"{node.path}#{met[node.path]}")

    def seed_and_step(out: Graph) -> list[Value]:
        if not clock:
            clock.append(out.source(INPUT, "seed", TensorType((), "uint64")))
            clock.append(out.add_state(State("step", TensorType((), "int64"), "counter")))
            if parts > 1:
                clock[1] = out.pointwise(lambda e, n, p: n * parts + p, clock[1], part_input(out), origin=Origin("step"))
        return clock

    def visit(out: Graph, node: Node, operands: tuple[Value, ...]) -> tuple[Value, ...] | None:
        if not clock:
            seed_and_step(out)
        if node.op.name in DROPS:
            rate = float(node.attrs.rate)
            if rate == 0:
                return operands
            x = operands[0]
            sizes = DROPS[node.op.name](x.type.shape)
            bits = out.random_bits(*clock, stream=stream(node), sizes=sizes, origin=node.origin)
            factor = 1.0 / (1.0 - rate)
            dropped = out.pointwise(
                lambda e, v, b: e.select(e.uniform(b) >= rate, v * factor, 0.0), x, bits, origin=node.origin
            )
            return (dropped,)
        if node.op.name == "noise":
            return (noisy(out, node, operands[0], clock, stream(node)),)
        if node.op.name == "batch_norm":
            x, gamma, beta, mean, variance = operands
            if any(v.node.op is STATE and v.node.attrs.name in frozen for v in (mean, variance)):
                return None
            new = out.moments(x, origin=node.origin)
            n = x.type.elements // x.type.sizes[-1]
            m, unbiased = float(node.attrs.momentum), n / max(n - 1, 1)
            for what, old, now, factor in (("mean", mean, new[0], 1.0), ("variance", variance, new[1], unbiased)):
                name = running(out, node, what, old)
                share = (1 - m) * factor / parts
                if parts > 1:  # apart from the old value, which waits for the last part
                    kept[name] = kept.get(name, 1.0) * m
                    before = updates.get(name)
                    if before is None:
                        updates[name] = out.pointwise(lambda e, q, s=share: q * s, now, origin=node.origin)
                        continue
                else:
                    before = updates.get(name, old)  # a shared layer met again goes on from its first update
                updates[name] = out.pointwise(lambda e, p, q, s=share: p * m + q * s, before, now, origin=node.origin)
            return out.add(node.op, (x, gamma, beta, *new), node.attrs, node.origin)
        return None

    out = rewrite(graph, visit)
    for name, value in updates.items():
        if parts > 1:
            total, old, m = summed(out, f"{name}.sum", value), out.state_values[name], kept[name]
            value = out.pointwise(lambda e, p, q, m=m: p * m + q, old, total, origin=Origin(name))
        out.update(name, value)
    return out


def running(graph: Graph, node: Node, what: str, value: Value) -> str:
    """The name of the state that holds a running statistic of `node`. Raises E601 where `value` is no such state."""
    name = value.node.attrs.name if value.node.op is STATE else ""
    if name not in graph.state or graph.state[name].kind != "buffer":
        message = f"the running {what} of {node.path or node.op.name} is no buffer of the model, so training cannot update it"
        raise error(
            "E601", message, node.origin.span, frames=node.origin.frames, help='add_state(State(…, kind="buffer")) makes one'
        )
    return str(name)


def noisy(out: Graph, node: Node, x: Value, clock: Sequence[Value], stream: int) -> Value:
    """x + amount · z, z normal by Box and Muller's transform of two streams of words, `stream` and the next."""
    amount = float(node.attrs.amount)
    if amount == 0:
        return x
    first, second = (
        out.random_bits(*clock, stream=(stream + k) % 2**64, sizes=x.type.shape, origin=node.origin) for k in (0, 1)
    )

    def rule(e: Any, v: Any, p: Any, q: Any) -> Any:
        radius = e.sqrt(-2.0 * e.log(1.0 - e.uniform(p)))
        return v + e.cast(amount * radius * e.cos(6.283185307179586 * e.uniform(q)), x.type.dtype)

    noise: Value = out.pointwise(rule, x, first, second, origin=node.origin)
    return noise
