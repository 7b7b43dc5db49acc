"""Losses held against a model: what they name must be there, and cross entropies want logits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cnndsl.errors import Diagnostic
from cnndsl.graph.graph import Graph
from cnndsl.language.recipe import Call, LossTerm
from cnndsl.language.spelling import listed, nearest
from cnndsl.language.syntax import tree
from cnndsl.language.syntax.scan import plain
from cnndsl.language.vocabulary import GIVEN, LABEL_LOSSES

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
                help = nearest(name, known) or f"there are {listed(known)}"
                yield Diagnostic("E404", f"the loss names {name}, which is no value of {graph.name}", call.span, help=help)
        first = call.args[0]
        value = graph.names.get(first) or graph.heads.get(first) if isinstance(first, str) else None
        if value is None and first == "output":
            value = graph.outputs.get("output")
        if call.name in LABEL_LOSSES and value is not None and value.node.op.name in SQUASHED:
            name = value.node.op.name
            message = f"{call.name} takes logits, and {first} has been through {name}"
            yield Diagnostic("E405", message, call.span, help=f"name the value before the {name}: … as logits")


def names_of(call: Call) -> Iterator[str]:
    """The values that the arguments of a loss name, those inside a call too (`downsample(output, 4, lanczos)`)."""
    for arg in [*call.args, *call.keys.values()]:
        if isinstance(arg, str):
            yield arg
        elif isinstance(arg, Call):
            inside: Any = arg.args[0] if arg.args else None
            if isinstance(inside, str):
                yield inside


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


def unknown_names(terms: Sequence[LossTerm], model: str, declared: Sequence[str]) -> Iterator[Diagnostic]:
    """E404 for names that the model's text nowhere declares."""
    known = list(dict.fromkeys([*declared, "output", *GIVEN]))
    for term in terms:
        for name in names_of(term.call):
            if name not in known:
                help = nearest(name, known) or f"there are {listed(known)}"
                yield Diagnostic("E404", f"the loss names {name}, which is no value of {model}", term.call.span, help=help)
