"""Bodies that occur more than once: each is written as a block, once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cnndsl.graph.graph import Value
from cnndsl.graph.naming import is_name, is_op
from cnndsl.language.writing.parts import Body, Branch, Call, Group, Head, Join, Op, Part, Parts
from cnndsl.language.writing.words import step, words_for

SHORTEST = 90
"""Characters of the steps of a body that is worth a block: what fits on a line is not."""


class Open(Exception):  # noqa: N818  (it only says that a body is none that a block could be)
    """A body takes more than the one value that comes in, or a shared step."""


def repeated(parts: Parts, model: Body, taken: set[str]) -> dict[Group, str]:
    """group → name of its block, for bodies that occur at least twice. taken: names that a block may not have; grows.

    A block takes the name of its bodies, without a number, where nothing else is named so: then their turn names them.
    """
    found: dict[Any, list[Group]] = {}
    for group in _parts(parts, model):
        if not isinstance(group, Group):
            continue
        try:
            key = signature(group.body)
        except Open:
            continue
        if sum(len(x[1]) + 4 for x in key if isinstance(x, tuple) and x[0] == "step") >= SHORTEST:
            found.setdefault(key, []).append(group)
    names: dict[Group, str] = {}
    places = _segments(parts, model)
    for groups in found.values():
        if len(groups) > 1:
            base = groups[0].segment.rstrip("0123456789")
            own = is_name(base) and not is_op(base) and base not in taken and base in places and places[base] <= set(groups)
            name = base if own else _name(groups[0].segment, taken | places.keys())
            taken.add(name)
            names.update(dict.fromkeys(groups, name))
    return names


def _segments(parts: Parts, model: Body) -> dict[str, set[Part]]:
    """Every segment that a name may have to say, with the parts that have it."""
    found: dict[str, set[Part]] = {share.path[-1]: set() for share in parts.bodies}
    for part in _parts(parts, model):
        if isinstance(part, Op | Join | Group):
            found.setdefault(part.segment, set()).add(part)
    return found


def _parts(parts: Parts, model: Body) -> Iterator[Part]:
    """Every part, outer ones first, in the order of the text."""
    todo: list[Part | Branch | Body] = [*list(parts.bodies.values())[::-1], model]
    while todo:
        x = todo.pop()
        if isinstance(x, Part):
            yield x
        match x:
            case Body():
                todo += x.parts[::-1]
            case Group():
                todo.append(x.body)
            case Join():
                todo += [b for b in x.branches[::-1] if isinstance(b, Branch)]
            case Branch() | Head():
                todo.append(x.body)


def signature(body: Body) -> tuple[Any, ...]:
    """Equal for bodies that have the same text as a block. Raises Open."""
    comes = body.base
    made: dict[Value, int] = {}
    found: list[Any] = []

    def place(x: Value | None) -> int:
        if x is not None and x in made:
            return made[x]
        if x is not comes or x is None:
            raise Open
        return -1

    todo: list[Any] = [body]
    while todo:
        x = todo.pop()
        match x:
            case Body():
                todo += [("}", x.gives), *x.parts[::-1]]
            case Op():
                words = tuple((op.name, attrs) for op, attrs in words_for(x.node))
                found.append(("step", step(*words_for(x.node)[0], set()), words, x.segment, place(x.base)))
                assert x.value is not None
                made[x.value] = len(made)
            case Join():
                found.append(("step", x.node.op.name, x.node.attrs, x.segment, x.nested))
                todo += [(")", x.value), *x.branches[::-1]]
            case Branch():
                found.append(("branch", x.label))
                todo.append(x.body)
            case Group():
                found.append(("group", x.segment, x.once))
                todo.append(x.body)
            case Call() | Head():
                raise Open
            case Value():
                found.append(("value", place(x)))
            case (")", value):
                made[value] = len(made)
                found.append(")")
            case ("}", gives):
                found.append(("}", -2 if gives is None else place(gives)))
    return tuple(found)


def _name(segment: str, taken: set[str]) -> str:
    """`unit_a`, `unit_b`, … for bodies called `unit`, `unit2`, …"""
    base = segment.rstrip("0123456789_") or segment
    k = 0
    while True:
        letters, n = "", k
        while True:
            letters = chr(ord("a") + n % 26) + letters
            n = n // 26 - 1
            if n < 0:
                break
        name = f"{base}_{letters}"
        if name not in taken and is_name(name) and not is_op(name):
            return name
        k += 1
