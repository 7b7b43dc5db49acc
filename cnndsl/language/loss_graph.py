"""The loss of a recipe as graph: `cross_entropy(logits) + 0.3 * cross_entropy(aux)` becomes one value.

Training appends it to a model's graph; `check` builds it alone, on values of the types that the model has (`misfits`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from cnndsl.errors import CnnError, Diagnostic, counted, error
from cnndsl.graph.graph import INPUT, STATE, Graph, Origin, Value
from cnndsl.graph.op import REGISTRY
from cnndsl.graph.types import BATCH, TensorType, drawn
from cnndsl.language.losses import SQUASHED, computed, names_of
from cnndsl.language.spelling import listed
from cnndsl.language.vocabulary import LABEL_LOSSES as LOGIT_LOSSES

if TYPE_CHECKING:
    from cnndsl.language.recipe import Call, LossTerm

LOSSES = {
    "cross_entropy": (2, 2), "mse": (2, 3), "mae": (2, 3), "huber": (2, 2), "binary_cross_entropy": (2, 2),
    "total_variation": (1, 1),
}  # fmt: skip
"""How many values each takes, at least and at most. What is left out is the data's `label` or `target`."""
OF_NUMBERS = ("mse", "mae", "huber", "binary_cross_entropy")
"""Losses that compare two values number by number."""


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
            operands.append(_given(graph, "label", TensorType(first.type.shape[:-1], "int32"), call))
        elif name in ("image", "target", "mask") and name not in graph.inputs and name not in graph.names:
            operands.append(_given(graph, str(name), first.type, call))
        else:
            operands.append(_operand(graph, call, name))
    _comparable(call, operands, extra)
    try:
        attrs = op.resolved(op.attrs(**keys), *(x.type for x in operands))
        return graph.add(op, operands, attrs, Origin("loss", call.span))[0]
    except CnnError as e:
        raise error("E424", f"{call.name}: {e.diagnostics[0].message.removeprefix(f'{call.name}: ')}", call.span) from None


def _comparable(call: Call, operands: Sequence[Value], extra: Sequence[Any]) -> None:
    """Raises E424 where a loss compares what cannot be compared. extra: what the operands after the first are called."""
    first = operands[0].type
    if call.name == "cross_entropy" and len(operands) > 1 and operands[1].type.dtype != "int32":
        message = f"cross_entropy compares with label, the class of each picture, not with {_called(extra[0])}"
        raise error("E424", message, call.span, help=f"cross_entropy({_called(call.args[0])})")
    for name, x in zip(extra, operands[1:], strict=True) if call.name in OF_NUMBERS else ():
        if x.type.dtype != first.dtype:
            help = f"cross_entropy({_called(call.args[0])}), or a target of numbers"
            raise error("E424", f"{call.name} compares numbers, and {_called(name)} holds classes", call.span, help=help)
        is_mask = x is not operands[1]
        shapes = [drawn(t.shape[1:]) for t in (first, x.type)]
        if first.shape != x.type.shape and not (is_mask and x.type.shape == (*first.shape[:-1], 1)):
            message = f"{call.name}: {_called(call.args[0])} is {shapes[0]}, and {_called(name)} is {shapes[1]}"
            raise error("E424", message, call.span, help="what is compared has one shape")


def _called(x: Any) -> str:
    return x if isinstance(x, str) else str(getattr(x, "name", x))


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


def _given(graph: Graph, name: str, type_: TensorType, call: Call) -> Value:
    """What the data gives beside the pictures; made once. Its shape is the same wherever it is named."""
    found = graph.inputs.get(name)
    if found is None:
        return graph.source(INPUT, name, type_, Origin(name), batched=True)
    if found.type != type_:
        shapes = [drawn(t.shape[1:]) if t.rank > 1 else "one for each picture" for t in (found.type, type_)]
        raise error("E424", f"{name} would be {shapes[0]} for one loss and {shapes[1]} for another", call.span)
    return found


def misfits(terms: Sequence[LossTerm], model: Graph, stays: Collection[str] = ()) -> Iterator[Diagnostic]:
    """E424 for a loss that could not be built on this model, or that no weight leads to. stays: weights that do not change.

    Where a size is open, what the loss is built of is not known before it is bound, and left to training.
    """
    names = dict.fromkeys(name for term in terms for name in names_of(term.call))
    alone = Graph(f"{model.name}.loss")
    one = {BATCH.terms[0][0]: 1}
    for name in names:
        try:
            type_ = named(model, name).type.bind(one)
        except KeyError:
            continue  # given by the data
        if not type_.is_static:
            return
        alone.source(INPUT, name, type_, batched=True)
    try:
        add_loss(alone, terms)
    except CnnError as e:
        yield from e.diagnostics
        return
    yield from unreached(terms, model, stays)


def unreached(terms: Sequence[LossTerm], model: Graph, stays: Collection[str] = ()) -> Iterator[Diagnostic]:
    """E424 where no term depends on a weight that changes; W411 for a term that depends on no weight at all."""
    left = _idle(terms, model, stays)
    if terms and len(left) == len(terms):
        call = left[0].call
        message = f"no weight that is trained leads to {_what(call)}, so nothing would be learned"
        help = "name a value behind layers with weights that are not frozen: … as logits"
        yield Diagnostic("E424", message, call.span, help=help)
        return
    for term in _idle(terms, model, ()) if stays else left:
        message = f"no weight leads to {_what(term.call)}, so this loss teaches nothing"
        yield Diagnostic("W411", message, term.call.span, help="leave it out")


def _what(call: Call) -> str:
    return listed(_called(x) for x in names_of(call))


def _idle(terms: Sequence[LossTerm], model: Graph, stays: Collection[str]) -> list[LossTerm]:
    """The terms that no weight leads to, but for those that stay."""
    moved = _moved(model, stays)
    return [term for term in terms if not any(_leads(model, name, moved) for name in names_of(term.call))]


def _moved(model: Graph, stays: Collection[str]) -> list[bool]:
    """For each node: does a weight that is trained lead to it?"""
    moved = [False] * len(model.nodes)
    for node in model.nodes:
        own = node.op is STATE and model.state[node.attrs.name].kind == "parameter" and node.attrs.name not in stays
        moved[node.id] = own or any(moved[x.node.id] for x in node.operands)
    return moved


def _leads(model: Graph, name: str, moved: Sequence[bool]) -> bool:
    try:
        return moved[named(model, name).node.id]
    except KeyError:
        return False
