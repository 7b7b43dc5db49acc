"""Applying a word: bind its arguments to the op's attributes, make its weights, add its node.

The elaborator of the language and the methods of the graph API (`x.conv(6, (5, 5))`) both come through here, so a
word means the same in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass
from typing import Any

from cnndsl.errors import CnnError, counted, error
from cnndsl.graph.graph import Graph, Origin, State, Value, placed
from cnndsl.graph.joins import JOINS, fitted
from cnndsl.graph.op import Op, WeightSpec
from cnndsl.graph.types import TensorType


def apply_word(graph: Graph, op: Op, value: Value, args: Sequence[Any], keys: Mapping[str, Any], name: str | None) -> Value:
    """The graph API's `value.word(*args, **keys, name=…)`. Further flowing operands come first among `args`.

    Raises E206, E207, E210 for arguments, E103, E107, E204 for a name, E312, E317 for values that do not join, and what
    the op's own rules refuse.
    """
    others = [a for a in args if isinstance(a, Value)]
    plain = [simple(a) for a in args if not isinstance(a, Value)]
    fields = [f.name for f in op.fields()]
    if len(plain) > len(fields):
        raise error("E206", f"{op.name} takes at most {len(fields)} arguments ({', '.join(fields)}), not {len(plain)}")
    given = dict(zip(fields, plain, strict=False))
    for key, x in keys.items():
        if key not in fields:
            raise error("E207", f"{op.name} has no option named {key}", help=f"it has: {', '.join(fields)}")
        if key in given:
            raise error("E207", f"{op.name}: {key} is given twice")
        given[key] = simple(x)
    missing = [f.name for f in op.fields() if f.default is MISSING and f.name not in given]
    if missing:
        raise error("E210", f"{op.name} needs {' and '.join(missing)}")
    attrs = op.attrs(**given)
    scope, nodes, states, counts = graph.scope, len(graph.nodes), len(graph.state), dict(graph.scope.counts[-1])
    if name is not None:
        scope.declare(name)
    try:
        path = scope.path(scope.segment(op.name) if name is None else name)
        operands = fitted(graph, op, attrs, [value, *others]) if op.name in JOINS else [value, *others]
        if op.name in JOINS and len(operands) == 1:
            result = value  # a join of one branch is that branch
        else:
            result = add_layer(graph, op, operands, attrs, Origin(path), scope.head, reuse=scope.shared)
    except CnnError:
        # What was refused leaves nothing behind: the next step is numbered as if it had not been tried.
        del graph.nodes[nodes:]
        for state in list(graph.state)[states:]:
            del graph.state[state], graph.state_values[state]
        scope.counts[-1] = counts
        scope.names[-1].discard(name or "")
        raise
    if name is not None and not scope.prefix:
        graph.names[name] = result
    return result


def simple(x: Any) -> Any:
    """An option as the records keep it: lists as tuples, NumPy's numbers as Python's."""
    if isinstance(x, (list, tuple)):
        return tuple(map(simple, x))
    return x.item() if hasattr(x, "item") and getattr(x, "ndim", 1) == 0 else x


@dataclass(frozen=True, slots=True)
class Layer:
    """What a word with its attributes makes of values of certain types: the weights that it needs, with their types; the op
    and attributes that a graph holds for it; the types that it gives."""

    weights: tuple[tuple[WeightSpec, TensorType], ...]
    op: Op
    attrs: Any
    types: tuple[TensorType, ...]


def layer_of(op: Op, attrs: Any, inputs: Sequence[TensorType]) -> Layer:
    """Raises E206 for another number of values, and what the op's own rules refuse."""
    if op.inputs is not None and len(inputs) != op.inputs:
        raise error("E206", f"it takes {counted(op.inputs, 'value')}, not {len(inputs)}")
    weights = tuple((spec, TensorType(spec.shape)) for spec in (op.weights(attrs, *inputs) if op.weights else ()))
    operands = [*inputs, *(type_ for _, type_ in weights)]
    if op.becomes is not None:
        op, attrs = op.becomes(attrs, *operands)
    return Layer(weights, op, attrs, op.infer(attrs, *operands))


def add_layer(
    graph: Graph, op: Op, inputs: Sequence[Value], attrs: Any, origin: Origin, head: str = "", *, reuse: bool = False
) -> Value:
    """Add `op` with weights named `<path>.<weight>`; its first output. reuse: weights of that name may be there."""
    graph.check_own(op, inputs, origin)
    try:
        layer = layer_of(op, attrs, [x.type for x in inputs])
    except CnnError as e:
        raise placed(e, op.name, origin) from None
    return place_layer(graph, layer, inputs, origin, head, reuse=reuse)


def place_layer(
    graph: Graph, layer: Layer, inputs: Sequence[Value], origin: Origin, head: str = "", *, reuse: bool = False
) -> Value:
    """`add_layer` for what its inputs are known to make."""
    operands = list(inputs)
    for spec, type_ in layer.weights:
        name = f"{origin.path}.{spec.name}"
        there = graph.state.get(name) if reuse else None
        if there is not None and there.type != type_:
            message = f"the shared weight {name} has shape {there.type.shape}, here it would be {type_.shape}"
            raise error("E209", message, origin.span, frames=origin.frames)
        if there is None:
            state = State(name, type_, spec.kind, spec.init, spec.fan_in, spec.decay, head)
            operands.append(graph.add_state(state, origin))
        else:
            operands.append(graph.state_values[name])
    return graph.append(layer.op, layer.attrs, tuple(operands), layer.types, origin)[0]
