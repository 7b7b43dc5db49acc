"""Applying a word: bind its arguments to the op's attributes, make its weights, add its node.

The elaborator of the language and the methods of the graph API (`x.conv(6, (5, 5))`) both come through here, so a
word means the same in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING
from typing import Any

from cnndsl.errors import CnnError, error
from cnndsl.graph.graph import Graph, Origin, State, Value
from cnndsl.graph.joins import JOINS, fitted
from cnndsl.graph.op import Op
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


def add_layer(
    graph: Graph, op: Op, inputs: Sequence[Value], attrs: Any, origin: Origin, head: str = "", *, reuse: bool = False
) -> Value:
    """Add `op` with weights named `<path>.<weight>`; its first output. reuse: weights of that name may be there."""
    from cnndsl.graph.graph import placed

    if op.inputs is not None and len(inputs) != op.inputs:
        raise error("E206", f"{op.name} takes {op.inputs} value(s), not {len(inputs)}", origin.span, frames=origin.frames)
    operands = list(inputs)
    try:
        specs = op.weights(attrs, *(x.type for x in inputs)) if op.weights else ()
    except CnnError as e:
        raise placed(e, op.name, origin) from None
    for spec in specs:
        state = State(f"{origin.path}.{spec.name}", TensorType(spec.shape), spec.kind, spec.init, spec.fan_in, spec.decay, head)
        there = graph.state.get(state.name) if reuse else None
        if there is not None and there.type != state.type:
            message = f"the shared weight {state.name} has shape {there.type.shape}, here it would be {state.type.shape}"
            raise error("E209", message, origin.span, frames=origin.frames)
        operands.append(graph.add_state(state, origin) if there is None else graph.state_values[state.name])
    return graph.add(op, operands, attrs, origin)[0]
