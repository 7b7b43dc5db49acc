"""Binding arguments to the parameters of blocks and the options of ops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cnndsl.errors import CnnError, Label, error
from cnndsl.graph.op import Op
from cnndsl.language import syntax as s
from cnndsl.language.scope import BlockValue, Env, Word
from cnndsl.language.values import Failed, drawn, near

if TYPE_CHECKING:
    from cnndsl.language.elaborate import Elaborator


def bind_op(owner: Elaborator, op: Op, args: Sequence[s.Argument], env: Env, given: dict[str, Any]) -> dict[str, Any]:
    """option → value: `given` (defaults), then the call's arguments. Raises E205–E208; every mistake is recorded."""
    fields = [f for f in op.fields() if f.name != "count"]
    names = [f.name for f in fields]
    explicit: dict[str, Any] = {}
    failed = False
    for position, a in enumerate(args):
        key = a.key
        if key is None:
            if position >= len(names):
                most = f"at most {len(names)} argument{'s' * (len(names) != 1)}: {', '.join(names)}" if names else "no arguments"
                owner.record(error("E206", f"`{op.name}` takes {most}", a.span))
                failed = True
                continue
            key = names[position]
        if key not in names:
            has = f"it has: {', '.join(names)}" if names else "it has no options"
            owner.record(error("E207", f"`{op.name}` has no option `{key}`", a.span, help=near(key, names) or has))
            failed = True
            continue
        if key in explicit:
            owner.record(error("E207", f"`{key}` is given twice", a.span))
            failed = True
            continue
        try:
            explicit[key] = owner.evaluate(a.value, env, op.words.get(key, ()))
        except Failed:
            failed = True
            continue
        if isinstance(explicit[key], (BlockValue,)):
            owner.record(error("E302", f"`{key}` of `{op.name}` cannot be a block", a.value.span))
            failed = True
    if failed:
        raise Failed
    given = given | explicit
    missing = [f.name for f in fields if f.name not in given and f.default is _MISSING and f.default_factory is _MISSING]
    if missing and env is not None and not _fixing(owner):
        owner.missing = missing
    return given


_MISSING = __import__("dataclasses").MISSING


def _fixing(owner: Elaborator) -> bool:
    return False


def bind_block(
    owner: Elaborator, block: s.Block, args: Sequence[s.Argument], env: Env, fixed: dict[str, Any], partial: bool = False
) -> dict[str, Any]:
    """parameter → value, in the order of the parameters. `fixed` was given ahead and can be given anew.

    Raises E205 (missing), E206 (too many), E207 (unknown, twice), E208 (a word that is not allowed).
    """
    params = {p.label.name: p for p in block.params}
    names = list(params)
    free = [n for n in names if n not in fixed]
    explicit: dict[str, Any] = {}
    position = 0
    for a in args:
        key = a.key
        if key is None:
            if position >= len(free):
                raise error("E206", f"`{block.label.name}` takes {len(free)} argument{'s' * (len(free) != 1)}"
                            f"{': ' + ', '.join(free) if free else ''}", a.span, related=_declared(block))  # fmt: skip
            key = free[position]
            position += 1
        if key not in params:
            has = f"it has: {', '.join(names)}" if names else "it has none"
            raise error("E207", f"`{block.label.name}` has no parameter `{key}`", a.span, help=near(key, names) or has)
        if key in explicit:
            raise error("E207", f"`{key}` is given twice", a.span)
        value = owner.evaluate(a.value, env, params[key].words)
        explicit[key] = _word(params[key], value, a)
    bound = fixed | explicit
    if partial:
        return bound
    found: dict[str, Any] = {}
    for name, p in params.items():
        if name in bound:
            found[name] = bound[name]
        elif p.words:
            found[name] = Word(p.words[0], p.words)
        elif p.default is not None:
            found[name] = owner.evaluate(p.default, Env(block_env(owner, block, env), dict(found)))
        else:
            raise error("E205", f"`{block.label.name}` needs `{name}`", related=_declared(block))
    return found


def block_env(owner: Elaborator, block: s.Block, env: Env) -> Env:
    """Defaults are evaluated where the block stands, not where it is called."""
    found = env.find(block.label.name)
    return found.env if isinstance(found, BlockValue) and found.env is not None else env


def _word(p: s.Parameter, value: Any, a: s.Argument) -> Any:
    """A value for a parameter that lists its words must be one of them."""
    if not p.words:
        return value
    text = value.text if isinstance(value, Word) else None
    if text not in p.words:
        raise error("E208", f"`{p.label.name}` is one of {', '.join(p.words)}, not {drawn(value)}", a.value.span,
                    help=near(drawn(value), p.words))  # fmt: skip
    return Word(text, p.words)


def _declared(block: s.Block) -> tuple[Label, ...]:
    return (Label(block.label.span, "declared here"),)


__all__ = ["CnnError", "bind_block", "bind_op"]
