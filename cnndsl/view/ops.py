"""The words of the language for a reader: what each op is in a line, its options with what they may be, and its page.

Everything is read from the op records and the files they stand in; `docs/ops.md` and the commands `ops` and `explain`
print the same.
"""

from __future__ import annotations

import sys
from dataclasses import MISSING, Field
from textwrap import indent
from typing import Any

from cnndsl.graph.fields import hints_of
from cnndsl.graph.joins import JOINS
from cnndsl.graph.op import Op
from cnndsl.language.writing.words import SIZES, value
from cnndsl.ops import OPS

AXES = "a whole number, or a list with one for each axis"
SIDES = "a whole number, a list with one for each axis, or with [begin, end] for each"
FORMS = {
    "kernel": "sizes, one for each axis: 3x3",
    "window": "sizes, one for each axis: 2x2",
    "stride": AXES,
    "dilation": AXES,
    "output_pad": AXES,
    "pad": SIDES,
    "amount": SIDES,
    "channels": "[before, after]",
    "factor": "a whole number, or one for each axis: 2x4",
    "crop.size": "sizes, one for each axis: 224x224; it goes without amount",
    "reshape.size": "sizes: 7x7x64; in a list one may be _, which becomes what is left",
    "take.channels": "0..63 or [0, 64]: a range has both ends, a list stops before its end",
}
"""What the options of several forms may be, by their name or by op.name."""
NOT_GIVEN = {"stride": "window"}
"""What holds where an option whose default is no value of the language is left out."""
JOINED = """NAME {
    main: conv(16, 3x3, pad = same) -> relu
    skip: identity
}"""
"""How an op that joins branches is written; each begins from the value that flows in."""
KINDS = {int: "a whole number", float: "a number", bool: "true or false"}


def word_ops() -> list[Op]:
    """The ops that the language offers, by name."""
    return sorted((op for op in OPS if op.word), key=lambda op: op.name)


def about(op: Op) -> str:
    """What an op is, in a line."""
    first = _text(op).split("\n")[0].partition(": ")[2]
    return op.about or first.split(". ")[0].rstrip(".")


def default(field: Field[Any]) -> str:
    """A default as the language writes it; empty where there is none, or none that can be written."""
    return "" if field.default in (MISSING, None) else value(field.default, field.name in SIZES, set())


def form(op: Op, field: Field[Any]) -> str:
    """What an option may be."""
    several = FORMS.get(f"{op.name}.{field.name}") or FORMS.get(field.name)
    hint = hints_of(op.attrs)[field.name]
    words = [w for w in op.words.get(field.name, ()) if w.isidentifier() and w != "_"]
    return ", ".join(words + [x for x in (KINDS.get(hint) or (several if hint is not str else None),) if x])


def signature(op: Op) -> str:
    """`dense(units, bias = true, init = he_normal)`."""
    parts = [f"{f.name} = {_standing(f)}" if default(f) or f.name in NOT_GIVEN else f.name for f in op.fields()]
    return f"{op.name}({', '.join(parts)})" if parts else op.name


def catalogue() -> str:
    """Every op in a line."""
    width = max(len(op.name) for op in word_ops())
    return "\n".join(f"{op.name:<{width}}  {about(op)}" for op in word_ops())


def page(name: str) -> str:
    """What an op is, its options with what they may be and their defaults, and what its file says of it."""
    op = next(op for op in word_ops() if op.name == name)
    lines = [f"{op.name}: {about(op)}", "", f"    {signature(op)}"]
    rows = [(f.name, _standing(f), form(op, f)) for f in op.fields()]
    widths = [max((len(row[k]) for row in rows), default=0) for k in (0, 1)]
    lines += ["", "Options:", ""] if rows else []
    lines += [f"    {key:<{widths[0]}}  {standing:<{widths[1]}}  {what}".rstrip() for key, standing, what in rows]
    if op.name in JOINS:
        lines += ["", "Its branches stand in braces, label: steps, one a line; each begins from the value that flows in:", ""]
        lines += indent(JOINED.replace("NAME", op.name), "    ").split("\n")
    rest = _text(op).partition("\n")[2].strip()
    return "\n".join([*lines, *(["", rest] if rest else [])])


def as_markdown() -> str:
    """The ops as a table for the documentation."""
    rows = [f"| `{signature(op)}` | {about(op).replace('|', chr(92) + '|')} |" for op in word_ops()]
    return "\n".join(["| op | what it is |", "| --- | --- |", *rows])


def _standing(field: Field[Any]) -> str:
    """`needed`, or what holds where the option is left out."""
    if field.default is MISSING:
        return "needed"
    return default(field) if field.default is not None else NOT_GIVEN.get(field.name, "none")


def _text(op: Op) -> str:
    """The first text of the file that says what the op means: that of `depthwise_conv`, not of the `conv` it becomes."""
    made = op.vjp or op.pointwise or op.infer
    module = next((f.__module__ for f in (op.becomes, op.infer, made) if f is not None), "")
    return sys.modules[module].__doc__ or ""
