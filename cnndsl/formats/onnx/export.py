"""`export_onnx`: a network with its weights as one ONNX file, with our interface (channels last) at its border."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cnndsl.errors import error
from cnndsl.formats.onnx.ops import EXPORTS
from cnndsl.formats.onnx.writer import Writer
from cnndsl.graph.graph import CONSTANT, INPUT, STATE, Graph, Node, Value
from cnndsl.graph.sizes import Affine
from cnndsl.graph.types import BATCH
from cnndsl.passes.specialise import bind_sizes
from cnndsl.runtime.weights import fitting


def export_onnx(
    net: Any,
    weights: Mapping[str, Any],
    path: str | Path,
    *,
    batch: int | None = None,
    heads: bool = False,
    outputs: Iterable[str] = (),
    sizes: Mapping[str, int] | None = None,
) -> None:
    """Write `net` (a Model or a Graph) with `weights` (name → array) to `path`, as ONNX of opset 17.

    Inputs and outputs have our shapes, (N, H, W, C) float32; N is free unless `batch` says how many images. `heads`:
    the side outputs that exist in training are written too. `outputs`: values inside the network, by name, that are
    written as further outputs. `sizes`: what the symbols of the inputs are (`{"H": 256, "W": 256}`).

    Raises E604 where a symbol has no size, E641 without the package onnx, E642 for an op that has no counterpart,
    E643 for an unknown output, E504 for weights that do not fit, E598 where the file cannot be written.
    """
    graph: Graph = net if isinstance(net, Graph) else net.graph
    graph = bind_sizes(graph, sizes or {}) if symbols(graph) else graph
    wanted = wanted_outputs(graph, heads, tuple(outputs))
    needed = ancestors(wanted.values())
    state = {name: s for name, s in graph.state.items() if graph.state_values[name].node.id in needed}
    fitting(graph.name, state, weights, graph.state)
    writer = Writer(weights)
    inputs = {name: x for name, x in graph.inputs.items() if x.node.id in needed or not graph.outputs}
    writer.taken.update([*inputs, *wanted])
    for node in graph.nodes:
        if node.id in needed:
            place(writer, node)
    writer.save(Path(path), graph.name, inputs, wanted, batch)


def symbols(graph: Graph) -> bool:
    """Whether an input has a size that is not a number, the batch aside."""
    return any(isinstance(s, Affine) for x in graph.inputs.values() for s in x.type.shape if s != BATCH)


def place(writer: Writer, node: Node) -> None:
    """Write one node. Raises E642 where the table has no entry for its op."""
    if node.op is INPUT:
        writer.take(node.outputs[0], node.attrs.name)
    elif node.op is STATE:
        return  # written by the op that reads it, in the order of axes that ONNX wants
    elif node.op is CONSTANT:
        import numpy as np

        writer.take(node.outputs[0], writer.constant(node.op.reference(np, node.attrs)[0]))
    else:
        rule = EXPORTS.get(node.op.name)
        if rule is None:
            raise error("E642", f"{node.op.name} cannot be written as ONNX", node.origin.span, frames=node.origin.frames)
        writer.give(node.outputs[0], rule(writer, node, node.resolved))


def wanted_outputs(graph: Graph, heads: bool, names: tuple[str, ...]) -> dict[str, Value]:
    """The outputs to write: the graph's own, the heads where asked for, and values by their names. E643: unknown."""
    from difflib import get_close_matches

    found = dict(graph.outputs)
    if heads:
        found |= {name: x for name, x in graph.heads.items() if name not in found}
    for name in names:
        known = {**graph.names, **graph.heads}
        if name not in known and name not in found:
            near = get_close_matches(name, known, 1)
            raise error("E643", f"there is no value named {name}", help=f"did you mean {near[0]}?" if near else None)
        found.setdefault(name, known.get(name, found.get(name)))  # type: ignore[arg-type]
    return found


def ancestors(values: Iterable[Value]) -> set[int]:
    """The ids of every node that `values` depend on, their own included."""
    seen: set[int] = set()
    stack = [x.node for x in values]
    while stack:
        node = stack.pop()
        if node.id not in seen:
            seen.add(node.id)
            stack += [x.node for x in node.operands if x.node.id not in seen]
    return seen
