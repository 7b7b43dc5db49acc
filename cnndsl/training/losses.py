"""The loss of a recipe as graph: `cross_entropy(logits) + 0.3 * cross_entropy(aux)` becomes one value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cnndsl.errors import counted, error
from cnndsl.graph.graph import INPUT, Graph, Origin, Value
from cnndsl.graph.op import REGISTRY
from cnndsl.graph.types import TensorType
from cnndsl.language.losses import SQUASHED, computed
from cnndsl.language.vocabulary import LABEL_LOSSES as LOGIT_LOSSES

if TYPE_CHECKING:
    from cnndsl.language.recipe import Call, LossTerm

LOSSES = {
    "cross_entropy": (2, 2), "mse": (2, 3), "mae": (2, 3), "huber": (2, 2), "binary_cross_entropy": (2, 2),
    "total_variation": (1, 1),
}  # fmt: skip
"""How many values each takes, at least and at most. What is left out is the data's `label` or `target`."""


def add_loss(graph: Graph, terms: Sequence[LossTerm]) -> Value:
    """Σ weight · loss, a scalar."""
    total: Value | None = None
    for term in terms:
        value = _term(graph, term.call)
        weight = float(term.weight)
        if weight != 1.0:
            value = graph.pointwise(lambda e, x, w=weight: w * x, value, origin=Origin("loss"))
        total = value if total is None else graph.pointwise(lambda e, p, q: p + q, total, value, origin=Origin("loss"))
    if total is None:
        raise error("E423", "there is no loss to train on", help="train { loss = cross_entropy(logits) }")
    return total


def _term(graph: Graph, call: Call) -> Value:
    """One loss of the recipe: `cross_entropy(logits)`, `mse(downsample(output, 4, lanczos), image)`."""
    if call.name not in LOSSES:
        raise error("E423", f"the loss {call.name} cannot be run", call.span, help=f"there are {', '.join(LOSSES)}")
    op, (least, most) = REGISTRY[call.name], LOSSES[call.name]
    if not call.args:
        raise error("E424", f"{call.name} needs the name of a value", call.span)
    first = _operand(graph, call, call.args[0])
    if call.name in LOGIT_LOSSES and first.node.op.name in SQUASHED:
        raise error("E424", f"{call.name} takes logits, {call.args[0]} has been through {first.node.op.name}", call.span)
    keys = dict(call.keys)
    extra = call.args[1:]
    if len(extra) < least - 1:
        extra = ("label",) if call.name == "cross_entropy" else ("target",)
    if "mask" in keys:
        extra = (*extra, keys.pop("mask"))
    if len(extra) >= most:
        raise error("E424", f"{call.name} takes {counted(most, 'value')} at most, not {1 + len(extra)}", call.span)
    operands = [first]
    for name in extra:
        if name == "label":
            operands.append(_given(graph, "label", TensorType(first.type.shape[:-1], "int32")))
        elif name in ("image", "target", "mask") and name not in graph.inputs and name not in graph.names:
            operands.append(_given(graph, str(name), first.type))
        else:
            operands.append(_operand(graph, call, name))
    attrs = op.resolved(op.attrs(**keys), *(x.type for x in operands))
    return graph.add(op, operands, attrs, Origin("loss", call.span))[0]


def _operand(graph: Graph, call: Call, name: Any) -> Value:
    """The value of that name, or what a call inside the loss computes of one."""
    from cnndsl.language.recipe import Call as Inside

    pending: list[Call] = []
    while isinstance(name, Inside):
        pending.append(name)
        name = name.args[0] if name.args else None
    value = _named(graph, call, name)
    for inside in reversed(pending):
        op, attrs = computed(inside)
        value = graph.add(op, (value,), attrs, Origin(inside.name, inside.span))[0]
    return value


def _named(graph: Graph, call: Call, name: Any) -> Value:
    try:
        return named(graph, name)
    except KeyError:
        known = sorted({*graph.names, *graph.heads, *graph.inputs, "output"})
        raise error("E424", f"{call.name} names {name}, which is no value of the model", call.span,
                    help=f"there are {', '.join(known)}; name one with: as {name}") from None  # fmt: skip


def named(graph: Graph, name: Any) -> Value:
    """The value of that name: named in the model, a head, an input, or `output`. KeyError where there is none."""
    for values in (graph.names, graph.heads, graph.outputs, graph.inputs):
        if isinstance(name, str) and name in values:
            return values[name]
    raise KeyError(name)


def _given(graph: Graph, name: str, type_: TensorType) -> Value:
    """What the data gives beside the pictures; made once. Its shape is the same wherever it is named."""
    found = graph.inputs.get(name)
    if found is None:
        return graph.source(INPUT, name, type_, Origin(name), batched=True)
    if found.type != type_:
        raise error("E424", f"{name} would be {found.type} for one loss and {type_} for another")
    return found
