"""What the word of a step means where it stands: an op, a block, a shared step. Everything else is an error that says why."""

from __future__ import annotations

from typing import Any

from cnndsl.errors import CnnError, error
from cnndsl.language.scope import POISON, BlockValue, Env, OpValue, Poisoned, ShareValue, nearest, op_value, words
from cnndsl.language.syntax import tree
from cnndsl.language.values import kind, shown
from cnndsl.language.vocabulary import LOSSES


def called(x: tree.Invoke, env: Env) -> OpValue | BlockValue | ShareValue:
    """Raises E203, E205, E208 for a word that is no step; Poisoned where an error has taken it away."""
    name = x.name.text
    found = env.find(name)
    target: Any = found.value if found is not None else op_value(name)
    if isinstance(target, OpValue | BlockValue | ShareValue):
        return target
    if target is POISON:
        raise Poisoned
    if found is None:
        raise _unknown(x, env)
    if found.kind == "head":
        raise error("E205", f"{name} is a head: only losses and outputs know its value", x.name.span)
    if found.kind == "value":
        raise error("E205", f"{name} is a value: it stands only at the beginning of a pipeline", x.name.span)
    raise error("E205", f"{name} is {shown(target)}, which is {kind(target)} and no step", x.name.span)


def begins(step: tree.Step, env: Env) -> bool:
    """Whether the first step of a pipeline is a value that it starts from."""
    x = step.primary
    if isinstance(x, tree.Invoke) and not x.args and x.branches is None:
        found = env.find(x.name.text)
        return found is not None and found.kind == "value"
    return isinstance(x, tree.Begin)


def _unknown(x: tree.Invoke, env: Env) -> CnnError:
    name = x.name.text
    if name in LOSSES:
        message = f"{name} is a loss: it stands in a recipe, not among the steps"
        return error("E208", message, x.span, help=f"train {{ loss = {name}(logits) }}")
    steps = [n for n in env.visible() if (b := env.find(n)) and (b.kind in ("block", "share", "value"))]
    help = nearest(name, [*steps, *words()])
    help = help or f"a part of your own is a block of the file: block {name} {{ … }}; cnndsl ops lists ours"
    return error("E203", f"there is no op or block named {name}", x.name.span, help=help)
