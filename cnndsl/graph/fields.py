"""What may stand in the fields of a record that a graph's text spells out.

A text may come from a stranger, and what its fields hold reaches shape rules, kernels and emitted source. So each value is
held to the annotation of its field: whole numbers, numbers, `true` and `false`, tuples of the right length, expressions,
graphs. A text is a word. Fields of several forms (annotated `Any`: `stride=2`, `stride=(2, 1)`) hold whole numbers, words,
`none`, and tuples of these.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from functools import cache
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from cnndsl.graph.expr import Expr
from cnndsl.graph.op import LARGEST
from cnndsl.graph.types import ITEM_BYTES, TensorType

WORD = re.compile(r"[A-Za-z_][\w-]{0,39}", flags=re.ASCII)


@cache
def hints_of(cls: type) -> Mapping[str, Any]:
    """field → the type it is annotated with."""
    return get_type_hints(cls)


def fits(value: Any, hint: Any) -> bool:
    """Whether a value read from a text is of the annotated type. A whole number is a `float` too, a truth value is none."""
    if hint is Any:
        return isinstance(value, (NoneType, int, str, tuple)) and _is_plain(value)
    if hint is float:
        return type(value) in (int, float)
    if hint is str:
        return isinstance(value, str) and WORD.fullmatch(value) is not None
    if get_origin(hint) is not tuple:
        return type(value) is hint
    wanted = get_args(hint)
    if not isinstance(value, tuple):
        return False
    if wanted[1:] == (...,):
        return all(fits(x, wanted[0]) for x in value)
    return len(value) == len(wanted) and all(map(fits, value, wanted))


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or type(value) is int or fits(value, str)


def holds(type_: TensorType, data: tuple[Any, ...]) -> bool:
    """Whether `data` are as many numbers as a constant of this type has, and such that its element type has them."""
    if not type_.is_static or len(data) != type_.elements:
        return False
    if type_.is_float:
        largest = LARGEST if type_.dtype == "float32" else sys.float_info.max
        return all(type(x) in (int, float) and not largest < abs(x) < float("inf") for x in data)
    if type_.dtype == "bool":
        return all(isinstance(x, bool) for x in data)
    bits = 8 * ITEM_BYTES[type_.dtype]
    low, high = (0, 1 << bits) if type_.dtype.startswith("u") else (-(1 << bits - 1), 1 << bits - 1)
    return all(type(x) is int and low <= x < high for x in data)


def described(hint: Any) -> str:
    """What a field wants, for a message: `a list of 2 whole numbers`."""
    if get_origin(hint) is not tuple:
        return f"a {_NAMES.get(hint, hint.__name__.lower())}"
    first, *rest = get_args(hint)
    many = "" if rest == [...] else f"{1 + len(rest)} "
    return f"a list of {many}{described(first).removeprefix('a ').replace('list', 'lists')}{'s' if first in _NAMES else ''}"


_NAMES = {
    int: "whole number", float: "number", bool: "truth value", str: "word in quotes", Expr: "expression",
    Any: "whole number, list or word",
}  # fmt: skip
