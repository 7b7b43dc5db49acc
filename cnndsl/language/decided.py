"""What is decided when a model is loaded: which body of an `if` holds, the turns of a `for`, the `defaults` from a line on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cnndsl.errors import counted, error
from cnndsl.language.arguments import op_arguments
from cnndsl.language.evaluate import evaluate
from cnndsl.language.scope import Binding, Env, nearest, words
from cnndsl.language.syntax import tree
from cnndsl.language.values import kind, shown


def choose(x: tree.If, env: Env) -> tree.Body | None:
    """The body whose condition holds. Raises E313 for a condition that is no truth value."""
    for case in x.cases:
        found = evaluate(case.condition, env)
        if not isinstance(found, bool):
            raise error("E313", f"if takes a truth value, {shown(found)} is {kind(found)}", case.condition.span)
        if found:
            return case.body
    return x.otherwise


def turns(x: tree.For, env: Env) -> Iterator[Env]:
    """A scope for each turn of a `for`, with its variables. Raises E313 for what is no list, E304 for names that do not fit."""
    items = evaluate(x.over, env)
    if not isinstance(items, tuple):
        help = f"range({items}) counts from 0 to {items - 1}" if isinstance(items, int) and items > 1 else None
        raise error("E313", f"for goes over a list, {shown(items)} is {kind(items)}", x.over.span, help=help)
    for item in items:
        child = Env(env)
        if len(x.names) == 1:
            given: tuple[Any, ...] = (item,)
        elif isinstance(item, tuple) and len(item) == len(x.names):
            given = item
        else:
            raise error("E304", f"{counted(len(x.names), 'name')} for {shown(item)}", x.over.span)
        for name, part in zip(x.names, given, strict=True):
            child.names[name.text] = Binding("loop", part, span=name.span)
        yield child


def defaults(x: tree.Defaults, env: Env) -> dict[str, Mapping[str, Any]]:
    """The defaults of ops that hold from here on, by the op. Raises E203, E206 and what arguments raise."""
    found = dict(env.defaults)
    for entry in x.entries:
        op = words().get(entry.name.text)
        if op is None:
            help = nearest(entry.name.text, words())
            raise error("E203", f"{entry.name.text} is not an op", entry.name.span, help=help)
        for arg in entry.args:
            if arg.key is None:
                raise error("E206", "defaults are given by name", arg.span)
        found[op.name] = {**found.get(op.name, {}), **op_arguments(op, entry.args, env)}
    return found
