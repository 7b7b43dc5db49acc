"""Walks over a syntax tree, without Python's stack: bodies may nest a hundred deep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from cnndsl.language.syntax import tree


def records(of: tree.Syntax) -> Iterator[tree.Syntax]:
    """`of` and all that it holds, in no order."""
    pending: list[Any] = [of]
    while pending:
        x = pending.pop()
        if isinstance(x, tuple):
            pending += x
        elif isinstance(x, tree.Syntax):
            yield x
            pending += _parts(x)


def same(a: tree.Syntax, b: tree.Syntax) -> bool:
    """a == b, without Python's stack: bodies may nest a hundred deep."""
    pending: list[tuple[Any, Any]] = [(a, b)]
    while pending:
        x, y = pending.pop()
        if type(x) is not type(y):
            return False
        if isinstance(x, tree.Syntax):
            x, y = _parts(x), _parts(y)
        if not isinstance(x, tuple):
            if x != y:
                return False
        elif len(x) != len(y):
            return False
        else:
            pending += zip(x, y, strict=True)
    return True


def _parts(x: tree.Syntax) -> tuple[Any, ...]:
    """The fields of a record, without its place."""
    return tuple(getattr(x, f.name) for f in fields(x) if f.compare)
