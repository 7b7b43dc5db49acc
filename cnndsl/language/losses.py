"""Losses and `freeze` held against a model: what they name must be there, and cross entropies want logits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING
from typing import Any

from cnndsl.errors import CnnError, Diagnostic, Span, error
from cnndsl.graph.graph import Graph
from cnndsl.graph.op import Op
from cnndsl.language.recipe import Call, LossTerm
from cnndsl.language.scope import words
from cnndsl.language.spelling import listed, nearest
from cnndsl.language.syntax import tree
from cnndsl.language.syntax.scan import plain
from cnndsl.language.vocabulary import GIVEN, LABEL_LOSSES

CHANCE = ("dropout", "spatial_dropout", "stochastic_depth", "noise")
SQUASHED = ("softmax", "log_softmax", "sigmoid")


def check_loss(terms: Sequence[LossTerm], graph: Graph) -> Iterator[Diagnostic]:
    """E404 for a name that is not there, E405 for a cross entropy of probabilities, E403 without arguments."""
    known = list(dict.fromkeys([*graph.names, *graph.heads, *graph.inputs, "output", *GIVEN]))
    for term in terms:
        call = term.call
        if not call.args:
            yield Diagnostic("E403", f"{call.name} needs the name of a value", call.span, help=f"there are {listed(known)}")
            continue
        for name in names_of(call):
            if name not in known:
                yield _unknown(name, graph.name, known, call)
        for inside in calls_in(call):
            try:
                computed(inside)
            except CnnError as e:
                yield from e.diagnostics
        first = call.args[0]
        value = graph.names.get(first) or graph.heads.get(first) if isinstance(first, str) else None
        if value is None and first == "output":
            value = graph.outputs.get("output")
        if call.name in LABEL_LOSSES and value is not None and value.node.op.name in SQUASHED:
            name = value.node.op.name
            message = f"{call.name} takes logits, and {first} has been through {name}"
            yield Diagnostic("E405", message, call.span, help=f"name the value before the {name}: … as logits")


def check_paths(paths: Sequence[Any], graph: Graph, span: Span | None, what: str = "freeze") -> Iterator[Diagnostic]:
    """E404 for a path of `freeze` that leads to no weight: it is the name of one, or of what holds some."""
    known = dict.fromkeys(
        ".".join(parts[:k]) for name in graph.state for parts in [name.split(".")] for k in range(1, len(parts) + 1)
    )
    for path in paths:
        if path not in known:
            help = nearest(path, known) or "cnndsl show lists the paths of layers"
            yield Diagnostic("E404", f"{what} names {path}, and {graph.name} has no weights there", span, help=help)


def names_of(call: Call) -> Iterator[str]:
    """The values that the arguments of a loss name, those inside a call too (`downsample(output, 4, lanczos)`)."""
    for arg in [*call.args, *call.keys.values()]:
        while isinstance(arg, Call):
            arg = arg.args[0] if arg.args else None
        if isinstance(arg, str):
            yield arg


def calls_in(call: Call) -> Iterator[Call]:
    """What a loss computes of its arguments first, from the outside in."""
    for arg in call.args:
        while isinstance(arg, Call):
            yield arg
            arg = arg.args[0] if arg.args else None


def computed(call: Call) -> tuple[Op, Any]:
    """The op and the attributes of `downsample(output, 4, lanczos)`, an op without weights and chance on its first argument.

    Raises E402 for what is no op, E403 for an op or arguments that cannot stand inside a loss.
    """
    ops = {name: op for name, op in words().items() if op.inputs == 1 and op.weights is None and name not in CHANCE}
    op = ops.get(call.name)
    if op is None:
        if call.name in words():
            raise error("E403", f"{call.name} cannot be computed inside a loss", call.span, help="an op without weights can")
        raise error("E402", f"{call.name} is no op", call.span, help=nearest(call.name, ops))
    fields = [f.name for f in op.fields()]
    if not call.args or len(call.args) - 1 > len(fields):
        raise error("E403", f"{call.name} takes a value and at most {listed(fields)}", call.span)
    given = dict(zip(fields, call.args[1:], strict=False))
    for key, x in call.keys.items():
        if key not in fields or key in given:
            raise error(
                "E402", f"{call.name} has no option {key} here", call.spans.get(key, call.span), help=nearest(key, fields)
            )
        given[key] = x
    missing = [f.name for f in op.fields() if f.default is MISSING and f.name not in given]
    if missing:
        raise error("E403", f"{call.name} needs {listed(missing)}", call.span)
    try:
        return op, op.attrs(**given)
    except CnnError as e:
        raise error("E403", f"{call.name}: {e.diagnostics[0].message}", call.span) from None


Item = tree.ModelItem | tree.Instance
_DECLARED = re.compile(r"\b(?:as|head|input)\s+(\w+)")


def names_in(
    item: tree.ModelItem | tree.Instance, models: Mapping[str, tuple[tree.ModelItem | tree.Instance, Any]]
) -> list[str]:
    """The names that a model's text declares, where errors keep its graph from being built; some may be inner ones."""
    seen = 0
    while isinstance(item, tree.Instance) and item.template.text in models and seen < len(models):
        item, seen = models[item.template.text][0], seen + 1
    return _DECLARED.findall(plain(item.span.source.text), item.span.start, item.span.end)


def _unknown(name: str, model: str, known: Sequence[str], call: Call) -> Diagnostic:
    help = nearest(name, known) or f"a step is named by as, here: … as {name}; there are {listed(known)}"
    return Diagnostic("E404", f"the loss names {name}, which is no value of {model}", _place(name, call), help=help)


def _place(name: str, call: Call) -> Span | None:
    """Where a call says a name, itself or a call within it."""
    for key, x in [*((str(k), x) for k, x in enumerate(call.args)), *call.keys.items()]:
        if x == name:
            return call.spans.get(key, call.span)
        if isinstance(x, Call) and name in names_of(x):
            return _place(name, x)
    return call.span


def unknown_names(terms: Sequence[LossTerm], model: str, declared: Sequence[str]) -> Iterator[Diagnostic]:
    """E404 for names that the model's text nowhere declares."""
    known = list(dict.fromkeys([*declared, "output", *GIVEN]))
    for term in terms:
        for name in names_of(term.call):
            if name not in known:
                yield _unknown(name, model, known, term.call)
