"""Expressions at compile time: names, arithmetic, comparisons, lists, blocks with arguments fixed.

Recursion follows brackets, which nest at most 100 deep; chains of operators are loops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cnndsl.errors import CnnError, Span, error
from cnndsl.graph.sizes import Affine
from cnndsl.language.scope import POISON, BlockValue, Env, OpenWords, OpValue, Poisoned, Words, listed, nearest, words
from cnndsl.language.syntax import tree
from cnndsl.language.values import FUNCTIONS, binary, bounded, checked_list, compare, element, kind, negate, shown

SIDES = ("channels", "height", "width", "depth")


def placed_at(e: CnnError, span: Span) -> CnnError:
    """`e` at `span`, where it has no place yet."""
    return CnnError(d if d.span is not None else replace(d, span=span) for d in e.diagnostics)


def evaluate(x: tree.Expr, env: Env, allowed: Words = ()) -> Any:
    """The value of `x`; `allowed` are the words that may stand where no local name does.

    Raises `CnnError` with a place, and `Poisoned` where a name stands for something already reported.
    """
    try:
        return _evaluate(x, env, allowed)
    except CnnError as e:
        raise placed_at(e, x.span) from None


def _evaluate(x: tree.Expr, env: Env, allowed: Words) -> Any:
    match x:
        case tree.Literal():
            return bounded(x.value)
        case tree.SizeLiteral():
            return x.parts
        case tree.Name():
            return name_value(x, env, allowed)
        case tree.ListOf():
            inside = (tree.ListOf, tree.Anything)
            return checked_list(evaluate(item, env, allowed if isinstance(item, inside) else ()) for item in x.items)
        case tree.Chain():
            return _chain(x, env)
        case tree.Prefix():
            return _prefix(x, env)
        case tree.Compare():
            left_words, right_words = words_of(x.right, env), words_of(x.left, env)
            return compare(x.operator, evaluate(x.left, env, left_words), evaluate(x.right, env, right_words))
        case tree.Postfix():
            return _postfix(x, env)
        case tree.Apply():
            return _apply(x, env)
        case tree.Anything() if isinstance(allowed, tuple) and "_" in allowed:
            return "_"
        case tree.Range() if isinstance(allowed, tuple) and ".." in allowed:
            return (evaluate(x.low, env), bounded(evaluate(x.high, env) + 1))  # a list [begin, end] stops before its end
        case tree.Text():
            help = f"a word stands without quotes: {x.text}" if x.text.isidentifier() else None
            raise error("E313", "a text in quotes stands only after use and among labels", help=help)
        case tree.Range():
            raise error("E205", "a range low..high stands only in a recipe", help="for counts, range(n) is 0, 1, … up to n - 1")
        case tree.Arrow():
            raise error("E205", "a pipeline is no value here", help="put it into a block and pass the block")
    raise error("E205", "_ stands only in a shape, and in reshape's size")


def words_of(x: tree.Expr, env: Env) -> Words:
    """The words that what stands on the other side of a comparison may take."""
    if isinstance(x, tree.Name):
        found = env.find(x.text)
        if found is not None:
            return found.words
    return ()


def name_value(x: tree.Name, env: Env, allowed: Words) -> Any:
    """What a name means as a value."""
    found = env.find(x.text)
    if x.text in ("input", "output"):
        raise error(
            "E205", f"{x.text} is a tensor, not a number", help=f"{x.text}.channels is a number" if x.text == "input" else None
        )
    if found is not None:
        if found.value is POISON:
            raise Poisoned
        if found.kind in ("parameter", "loop"):
            return found.value
        if found.kind == "block":
            return BlockValue(found.value.block, found.value.env, found.value.fixed)
        help = f"{x.text}.channels is a number" if found.kind == "value" else None
        what = {"value": "tensor", "head": "head"}.get(found.kind, "shared step")
        raise error("E205", f"{x.text} is a {what}, not a number or word", help=help)
    if isinstance(allowed, OpenWords) or x.text in allowed:
        return x.text
    if x.text in env.symbols:
        return env.symbols[x.text]
    if x.text in words():
        return OpValue(words()[x.text])
    if isinstance(allowed, tuple) and allowed:
        help = nearest(x.text, [*allowed, *env.visible()]) or f"it is one of {listed(allowed)}"
        raise error("E201", f"{x.text} is not a word that may stand here", help=help)
    near = nearest(x.text, [*env.visible(), *FUNCTIONS, "true", "false"])
    option = any(x.text in known for op in words().values() for known in op.words.values())
    help = None if option else f"a parameter is declared behind the name of its model or block: ({x.text} = …)"
    raise error("E203", f"{x.text} is not known here", help=near or help)


def _chain(x: tree.Chain, env: Env) -> Any:
    first = evaluate(x.first, env)
    if x.rest[0][0] in ("and", "or"):
        stop = x.rest[0][0] == "or"
        for item, value in [(x.first, first), *((item, None) for _, item in x.rest)]:
            found = evaluate(item, env) if value is None else value
            if not isinstance(found, bool):
                raise error("E313", f"{x.rest[0][0]} takes truth values, {shown(found)} is {kind(found)}", item.span)
            if found == stop:
                return stop
        return not stop
    total = first
    for symbol, item in x.rest:
        total = binary(symbol, total, evaluate(item, env))
    return total


def _prefix(x: tree.Prefix, env: Env) -> Any:
    value = evaluate(x.operand, env)
    if x.signs[0] == "not":
        if not isinstance(value, bool):
            raise error("E313", f"not takes a truth value, {shown(value)} is {kind(value)}")
        return value ^ bool(len(x.signs) % 2)
    minus = negate(value)
    return minus if x.signs.count("-") % 2 else value


def _postfix(x: tree.Postfix, env: Env) -> Any:
    tail = list(x.tail)
    first = tail[0]
    if isinstance(x.operand, tree.Name) and isinstance(first, tree.Name):
        value = _side(x.operand, first, env)
        tail = tail[1:]
    else:
        value = evaluate(x.operand, env)
    for part in tail:
        if isinstance(part, tree.Name):
            raise error("E205", f"only a tensor has {part.text}", part.span)
        assert isinstance(part, tree.ListOf)
        value = element(value, evaluate(part.items[0], env))
    return value


def _side(name: tree.Name, side: tree.Name, env: Env) -> Any:
    """`input.channels`, `c.height`."""
    if name.text == "input":
        value = env.input
        if value is None:
            raise error("E205", "there is no input here", name.span)
    else:
        found = env.find(name.text)
        if found is None or found.kind != "value":
            known = [n for n in env.visible() if (b := env.find(n)) and b.kind == "value"]
            raise error(
                "E203", f"{name.text} is not the name of a tensor", name.span, help=nearest(name.text, [*known, "input"])
            )
        value = found.value
    if value is POISON:
        raise Poisoned
    if side.text not in SIDES:
        raise error(
            "E203", f"a tensor has no {side.text}", side.span, help=nearest(side.text, SIDES) or f"it has {listed(SIDES)}"
        )
    space, rank = value.type.space, len(value.type.space)
    at = {"channels": 0, "width": 1, "height": 2, "depth": 3}[side.text]
    if at > rank:
        raise error("E304", f"{name.text} has no {side.text}: it is {drawn_type(value)}", side.span)
    return value.type.channels if at == 0 else space[rank - at]


def drawn_type(value: Any) -> str:
    """The shape of one image of a value: `28x28x6`."""
    from cnndsl.graph.types import drawn

    return drawn(value.type.shape[1:])


def _apply(x: tree.Apply, env: Env) -> Any:
    found = env.find(x.name.text)
    if found is None and x.name.text in FUNCTIONS:
        return _function(x, env)
    value = name_value(x.name, env, ())
    if isinstance(value, (BlockValue, OpValue)):
        return fixed(value, x.args, env)
    raise error("E206", f"{x.name.text} is {kind(value)} and takes no arguments", x.name.span)


def _function(x: tree.Apply, env: Env) -> Any:
    function, least, most = FUNCTIONS[x.name.text]
    if not least <= len(x.args) <= most or any(a.key for a in x.args):
        raise error("E206", f"{x.name.text} takes {'one argument' if most == 1 else 'numbers'}")
    return function(*(evaluate(a.value, env) for a in x.args))


def fixed(value: BlockValue | OpValue, args: Sequence[tree.Argument], env: Env) -> BlockValue | OpValue:
    """`value` with further arguments fixed."""
    if isinstance(value, OpValue):
        from cnndsl.language.arguments import op_arguments

        return OpValue(value.op, {**value.fixed, **op_arguments(value.op, args, env, value.fixed)})
    from cnndsl.language.arguments import block_arguments

    return replace(value, fixed={**value.fixed, **block_arguments(value, args, env)})


def is_size(x: Any) -> bool:
    return isinstance(x, (int, Affine)) and not isinstance(x, bool)
