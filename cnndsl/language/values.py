"""Evaluating expressions: integers, floats, booleans, sizes, lists, words, blocks. Bounded in size and in steps."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from cnndsl.errors import CnnError, Span, error
from cnndsl.graph.graph import Value
from cnndsl.graph.op import REGISTRY
from cnndsl.graph.sizes import Affine
from cnndsl.language import syntax as s
from cnndsl.language.scope import POISON, BlockValue, Env, Interval, Word

if TYPE_CHECKING:
    from cnndsl.language.elaborate import Elaborator

LARGEST_INTEGER = 2**53
LONGEST_LIST = 10_000


class Failed(Exception):
    """An error was recorded; the step that asked for the value is given up."""


def near(name: str, names: Iterable[str]) -> str | None:
    """The help with the nearest spelling, where one is near."""
    found = difflib.get_close_matches(name, list(names), 1, 0.6)
    return f"did you mean `{found[0]}`?" if found else None


def drawn(x: Any) -> str:
    """A value as the language writes it."""
    if isinstance(x, bool):
        return "true" if x else "false"
    if isinstance(x, Word):
        return x.text
    if isinstance(x, tuple):
        return "[" + ", ".join(map(drawn, x)) + "]"
    if isinstance(x, BlockValue):
        return x.name + (f"({', '.join(f'{k} = {drawn(v)}' for k, v in x.fixed)})" if x.fixed else "")
    if isinstance(x, Interval):
        return f"{drawn(x.low)}..{drawn(x.high)}"
    if isinstance(x, Value):
        return "a value of the network"
    return str(x)


class Evaluator:
    """Evaluates in an environment. Raises `CnnError` with the place; counts steps with the elaborator."""

    def __init__(self, owner: Elaborator) -> None:
        self.owner = owner

    def value(self, e: s.Expr, env: Env, words: Sequence[str] = ()) -> Any:
        """The value of `e`. `words`: names that stand for themselves where nothing else has the name."""
        self.owner.count(e.span)
        match e:
            case s.Number():
                return self.bounded(e.value, e.span)
            case s.SizeLiteral():
                return tuple(self.bounded(p, e.span) for p in e.parts)
            case s.Reference():
                return self.reference(e, env, words)
            case s.ListOf():
                if len(e.items) > LONGEST_LIST:
                    raise error("E904", f"a list has at most {LONGEST_LIST} entries", e.span)
                return tuple(self.value(x, env, words) for x in e.items)
            case s.Attribute():
                return self.attribute(e, env)
            case s.Index():
                return self.index(e, env)
            case s.Unary():
                return self.unary(e, env)
            case s.Binary():
                return self.binary(e, env)
            case s.Between():
                return Interval(self.value(e.low, env), self.value(e.high, env))
            case s.InputRef() | s.OutputRef():
                raise error("E202", "a value of the network cannot stand here", e.span,
                            help="its sizes can: input.channels, input.height, input.width")  # fmt: skip
            case _:
                raise error("E202", "this cannot stand here", e.span)

    def bounded(self, x: Any, span: Span) -> Any:
        if isinstance(x, int) and abs(x) > LARGEST_INTEGER:
            raise error("E903", "a whole number is larger than 2^53", span)
        if isinstance(x, float) and not math.isfinite(x):
            raise error("E903", "a number is too large", span)
        return x

    def reference(self, e: s.Reference, env: Env, words: Sequence[str]) -> Any:
        found = env.find(e.name)
        if found is None and e.args is not None and e.name in _FUNCTIONS:
            return self.function(e, env)
        if found is None and e.name in words and e.args is None:
            return Word(e.name, tuple(words))
        if found is None and e.name in REGISTRY and REGISTRY[e.name].word:
            found = BlockValue(e.name, None, env)
        if found is None:
            names = [*env.known(), *words, *(_FUNCTIONS if e.args is not None else ())]
            what = "word" if words else "name"
            listed = f"one of: {', '.join(words)}" if words else None
            raise error("E208" if words else "E201", f"unknown {what} `{e.name}`", e.span, help=near(e.name, names) or listed)
        if e.args is None:
            return found
        if not isinstance(found, BlockValue):
            raise error("E202", f"`{e.name}` takes no arguments: it is {drawn(found)}", e.span)
        fixed = dict(found.fixed) | self.owner.fix(found, e.args, env)
        return BlockValue(found.name, found.block, found.env, tuple(fixed.items()))

    def attribute(self, e: s.Attribute, env: Env) -> int | Affine:
        base = self.owner.flow_of(e.base, env)
        if base is POISON:
            raise Failed
        if not isinstance(base, Value):
            raise error("E202", "only a value of the network has sizes", e.span)
        space = base.type.space if base.type.rank >= 2 else ()
        known = {"channels": base.type.channels}
        known |= dict(zip(("height", "width") if len(space) == 2 else ("depth", "height", "width"), space, strict=False))
        if e.name not in known:
            raise error("E201", f"a value has no `{e.name}`", e.span, help=near(e.name, known) or f"it has: {', '.join(known)}")
        return known[e.name]

    def index(self, e: s.Index, env: Env) -> Any:
        base, at = self.value(e.base, env), self.value(e.at, env)
        if not isinstance(base, tuple):
            raise error("E302", f"only a list has entries, this is {drawn(base)}", e.base.span)
        if not isinstance(at, int) or isinstance(at, bool) or not 0 <= at < len(base):
            raise error("E303", f"there is no entry {drawn(at)}: the list has {len(base)}, counted from 0", e.at.span)
        return base[at]

    def unary(self, e: s.Unary, env: Env) -> Any:
        x = self.value(e.operand, env)
        if e.sign == "not":
            return not self.truth(x, e.operand.span)
        if isinstance(x, bool) or not isinstance(x, (int, float, Affine)):
            raise error("E302", f"a number is needed here, this is {drawn(x)}", e.operand.span)
        return -x if e.sign == "-" else x

    def truth(self, x: Any, span: Span) -> bool:
        if not isinstance(x, bool):
            raise error("E314", f"a condition is true or false, this is {drawn(x)}", span)
        return x

    def binary(self, e: s.Binary, env: Env) -> Any:
        if e.sign in ("and", "or"):
            left = self.truth(self.value(e.left, env), e.left.span)
            return left if left == (e.sign == "or") else self.truth(self.value(e.right, env), e.right.span)
        if e.sign in ("==", "!="):
            left, right = self.pair(e, env)
            return (left == right) == (e.sign == "==")
        left, right = self.value(e.left, env), self.value(e.right, env)
        if e.sign == "*" and isinstance(left, tuple) and isinstance(right, int) and not isinstance(right, bool):
            if right < 0 or len(left) * right > LONGEST_LIST:
                raise error("E904", f"a list has at most {LONGEST_LIST} entries", e.span)
            return left * right
        for x, side in ((left, e.left), (right, e.right)):
            if isinstance(x, bool) or not isinstance(x, (int, float, Affine)):
                raise error("E302", f"a number is needed here, this is {drawn(x)}", side.span)
        return self.bounded(self.arithmetic(e, left, right), e.span)

    def pair(self, e: s.Binary, env: Env) -> tuple[Any, Any]:
        """Both sides of `==`: a bare name on one side may be a word of the other's."""

        def bare(x: s.Expr) -> bool:
            return isinstance(x, s.Reference) and x.args is None and env.find(x.name) is None

        if bare(e.left) and not bare(e.right):
            right = self.value(e.right, env)
            return self.value(e.left, env, right.choices if isinstance(right, Word) else ()), right
        left = self.value(e.left, env)
        return left, self.value(e.right, env, left.choices if isinstance(left, Word) else ())

    def arithmetic(self, e: s.Binary, left: Any, right: Any) -> Any:
        if e.sign in ("/", "//", "%") and right == 0:
            raise error("E313", "division by zero", e.span)
        try:
            match e.sign:
                case "+":
                    return left + right
                case "-":
                    return left - right
                case "*":
                    return left * right
                case "/":
                    whole = isinstance(left, int) and isinstance(right, int) and left % right == 0
                    return left // right if whole or isinstance(left, Affine) else left / right
                case "//":
                    return left // right
                case "%":
                    return left % right
                case "<":
                    return left < right
                case "<=":
                    return left <= right
                case ">":
                    return left > right
                case _:
                    return left >= right
        except CnnError as found:
            raise CnnError([_at(d, e.span) for d in found.diagnostics]) from None
        except (OverflowError, TypeError):
            raise error("E313", "this cannot be computed", e.span) from None

    def function(self, e: s.Reference, env: Env) -> Any:
        assert e.args is not None
        values = [self.value(a.value, env) for a in e.args]
        if any(a.key for a in e.args):
            raise error("E207", f"{e.name} has no named arguments", e.span)
        try:
            return self.bounded(_FUNCTIONS[e.name](*values), e.span)
        except (TypeError, ValueError, OverflowError):
            raise error("E302", f"{e.name} cannot be applied to {', '.join(map(drawn, values)) or 'nothing'}", e.span) from None


def _at(d: Any, span: Span) -> Any:
    from dataclasses import replace

    return d if d.span is not None else replace(d, span=span)


def _range(n: int) -> tuple[int, ...]:
    if isinstance(n, bool) or not isinstance(n, int) or n > LONGEST_LIST:
        raise ValueError
    return tuple(range(n))


def _length(x: Any) -> int:
    if not isinstance(x, tuple):
        raise TypeError
    return len(x)


def _extreme(pick: Callable[..., Any]) -> Callable[..., Any]:
    def rule(*xs: Any) -> Any:
        xs = xs[0] if len(xs) == 1 and isinstance(xs[0], tuple) else xs
        if not xs or any(isinstance(x, bool) or not isinstance(x, (int, float)) for x in xs):
            raise TypeError
        return pick(xs)

    return rule


def _rounding(pick: Callable[[float], int]) -> Callable[[Any], int]:
    def rule(x: Any) -> int:
        if isinstance(x, bool) or not isinstance(x, (int, float)):
            raise TypeError
        return pick(x)

    return rule


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "len": _length,
    "range": _range,
    "min": _extreme(min),
    "max": _extreme(max),
    "round": _rounding(lambda x: math.floor(x + 0.5)),
    "ceil": _rounding(math.ceil),
    "floor": _rounding(math.floor),
}
