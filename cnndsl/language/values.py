"""Values of the language at compile time, and the arithmetic on them with its limits.

A value is an int, float, bool, a word (str), a list (tuple; `3x3` is one too), an affine size, a block or an op with
some of its arguments fixed. Functions here raise `CnnError` without a place; the evaluator puts the place in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from cnndsl.errors import counted, error, in_words
from cnndsl.graph.sizes import Affine

LARGEST = 2**53
LONGEST_LIST = 10_000
DEEPEST_LIST = 8


def kind(x: Any) -> str:
    """What a value is, in words."""
    match x:
        case bool():
            return "a truth value"
        case int():
            return "a whole number"
        case float():
            return "a number"
        case str():
            return "a word"
        case tuple():
            return "a list"
        case Affine():
            return "a size"
    return "a block"


def shown(x: Any, levels: int = 2) -> str:
    """A value as one writes it, cut where it is long or deep."""
    if isinstance(x, bool):
        return str(x).lower()
    if isinstance(x, tuple):
        if not levels and x:
            return "[…]"
        few = ", ".join(shown(p, levels - 1) for p in x[:6])
        return f"[{few}, …]" if len(x) > 6 else f"[{few}]"
    return f"{x:g}" if isinstance(x, float) else in_words(x)


def bounded(x: Any) -> Any:
    """`x`, where a number stays within the limits. Raises E905."""
    if isinstance(x, int) and not isinstance(x, bool) and not -LARGEST <= x <= LARGEST:
        raise error("E905", "whole numbers go from -2**53 to 2**53")
    if isinstance(x, float) and not math.isfinite(x):
        raise error("E905", "the number is too large")
    return x


def _measure(x: Any) -> tuple[int, int]:
    """(entries in all, depth). Bounded, because the lists inside were bounded when they were made."""
    if not isinstance(x, tuple):
        return 1, 0
    inside = [_measure(p) for p in x]
    return 1 + sum(n for n, _ in inside), 1 + max((d for _, d in inside), default=0)


def checked_list(items: Iterable[Any]) -> tuple[Any, ...]:
    """A list within the limits, measured while it grows. Raises E908."""
    found: list[Any] = []
    total = 1
    for x in items:
        count, depth = _measure(x)
        total += count
        found.append(x)
        if len(found) > LONGEST_LIST:
            raise error("E908", f"a list has at most {LONGEST_LIST:,} entries")
        if total > 2 * LONGEST_LIST or depth >= DEEPEST_LIST:
            raise error("E908", f"a list has at most {LONGEST_LIST:,} entries in all, in {DEEPEST_LIST} levels")
    return tuple(found)


def is_number(x: Any) -> bool:
    return isinstance(x, (int, float)) and not isinstance(x, bool)


def _numbers(symbol: str, a: Any, b: Any) -> None:
    for x in (a, b):
        if not is_number(x) and not isinstance(x, Affine):
            raise error("E313", f"{symbol} takes numbers, {shown(x)} is {kind(x)}")


def binary(symbol: str, a: Any, b: Any) -> Any:
    """`a symbol b`. Raises E311, E313, E602, E905, E908."""
    if symbol == "*" and isinstance(a, tuple) and isinstance(b, int) and not isinstance(b, bool):
        if b < 0 or len(a) * b > LONGEST_LIST:
            raise error("E908", f"a list has from 0 to {LONGEST_LIST:,} entries, not {len(a)} * {b}")
        return checked_list(a * b)
    if symbol == "+" and isinstance(a, tuple) and isinstance(b, tuple):
        return checked_list(a + b)
    _numbers(symbol, a, b)
    if symbol in ("/", "//", "%"):
        if not isinstance(b, Affine) and b == 0:
            raise error("E311", f"{shown(a)} {symbol} 0: a division by zero")
        if symbol == "/":
            if isinstance(a, Affine) or isinstance(b, Affine):
                raise error("E313", "/ is exact and makes fractions; for sizes use //")
            return a // b if isinstance(a, int) and isinstance(b, int) and a % b == 0 else bounded(a / b)
        return bounded(a // b if symbol == "//" else a % b)
    operations: dict[str, Callable[[Any, Any], Any]] = {
        "+": lambda p, q: p + q, "-": lambda p, q: p - q, "*": lambda p, q: p * q,
    }  # fmt: skip
    try:
        return bounded(operations[symbol](a, b))
    except OverflowError:
        raise error("E905", "the number is too large") from None


def compare(symbol: str, a: Any, b: Any) -> bool:
    """`a symbol b`. Order is for numbers; equality for numbers, words, truth values and lists."""
    if symbol in ("==", "!="):
        if not (kind(a) == kind(b) or (_ordered(a) and _ordered(b))) or callable(a):
            raise error("E313", f"{shown(a)} is {kind(a)} and {shown(b)} {kind(b)}: they cannot be compared")
        return bool(a == b) == (symbol == "==")
    _numbers(symbol, a, b)
    operations: dict[str, Callable[[Any, Any], Any]] = {
        "<": lambda p, q: p < q, "<=": lambda p, q: p <= q, ">": lambda p, q: p > q, ">=": lambda p, q: p >= q,
    }  # fmt: skip
    return bool(operations[symbol](a, b))


def _ordered(x: Any) -> bool:
    return is_number(x) or isinstance(x, Affine)


def negate(x: Any) -> Any:
    _numbers("-", x, 0)
    return -x


def whole(x: Any, what: str, least: int = 0) -> int:
    """`x` as a whole number. Raises E314 for a fraction, E313 for another kind, E303 below `least`."""
    if isinstance(x, float):
        raise error("E314", f"{what} is a whole number, not {shown(x)}", help="// divides and rounds down")
    if not isinstance(x, int) or isinstance(x, bool):
        raise error("E313", f"{what} is a whole number, not {shown(x)}, which is {kind(x)}")
    if x < least:
        raise error("E303", f"{what} is at least {least}, not {x}")
    return x


def element(x: Any, at: Any) -> Any:
    """`x[at]`, counted from 0; from the end with a negative number."""
    if not isinstance(x, tuple):
        raise error("E313", f"{shown(x)} is {kind(x)}, and only a list has entries")
    i = whole(at, "an index", -LARGEST)
    if not -len(x) <= i < len(x):
        raise error("E315", f"the list has {counted(len(x), 'entry')}, there is none with index {i}")
    return x[i]


def _len(x: Any) -> int:
    if not isinstance(x, tuple):
        raise error("E313", f"len takes a list, {shown(x)} is {kind(x)}")
    return len(x)


def _range(x: Any) -> tuple[int, ...]:
    n = whole(x, "range's argument")
    if n > LONGEST_LIST:
        raise error("E908", f"a list has at most {LONGEST_LIST:,} entries, not {n}")
    return tuple(range(n))


def _extreme(pick: Callable[[Any], Any], name: str) -> Callable[..., Any]:
    def apply(*xs: Any) -> Any:
        items = xs[0] if len(xs) == 1 and isinstance(xs[0], tuple) else xs
        if not items or not all(map(is_number, items)):
            raise error("E313", f"{name} takes numbers, or one list of them")
        return pick(items)

    return apply


def _rounded(function: Callable[[float], int], name: str) -> Callable[[Any], int]:
    def apply(x: Any) -> int:
        if not is_number(x):
            raise error("E313", f"{name} takes a number, {shown(x)} is {kind(x)}")
        return bounded(function(x))

    return apply


FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "len": (_len, 1, 1),
    "range": (_range, 1, 1),
    "min": (_extreme(min, "min"), 1, 100),
    "max": (_extreme(max, "max"), 1, 100),
    "round": (_rounded(lambda x: math.floor(x + 0.5), "round"), 1, 1),
    "ceil": (_rounded(math.ceil, "ceil"), 1, 1),
    "floor": (_rounded(math.floor, "floor"), 1, 1),
}
"""name → (function, fewest arguments, most)."""
