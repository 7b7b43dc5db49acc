"""The words and signs of a text in order, with the breaks between them: the formatter's view, in which nothing is lost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cnndsl.graph.naming import RESERVED
from cnndsl.language.syntax import tree
from cnndsl.language.syntax.walk import records

_WORD = re.compile(
    r"(?P<comment>#[^\n]*)|(?P<text>\"[^\"\n]*\")|(?P<sign>->|\.\.|[=!<>]=|//)"
    r"|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?!\w)|\d\w*)|(?P<name>\w+)|(?P<newline>\n)|(?P<other>[^\s])"
)
OPENS = {"(": ")", "[": "]", "{": "}"}
CLOSES = frozenset(OPENS.values())
KEYWORDS = RESERVED - {"input", "output", "true", "false"}  # words that a bracket after them does not belong to
_OPERATORS = frozenset(["=", "==", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "//", "%", "->", "(", "[", ",", "{", ".."])


@dataclass(slots=True)
class Word:
    """One word or sign, or a comment.

    at: its place in the source. breaks: what stands before it: 0 nothing or spaces, 1 a newline, 2 an empty line.
    role: `label` (the colon of a branch or input), `note` (the colon of a shape), `key` (of a recipe), `sign` (a + or −
    that belongs to what follows alone).
    """

    text: str
    at: int
    kind: str
    breaks: int
    role: str = ""


def words_of(file: tree.File) -> list[Word]:
    """The words of the text that `file` was read from, each with its role."""
    words: list[Word] = []
    newlines = 0
    for match in _WORD.finditer(file.span.source.text):
        kind = str(match.lastgroup)
        if kind == "newline":
            newlines += 1
            continue
        words.append(Word(match[0].rstrip(" \t\r"), match.start(), kind, min(newlines, 2)))
        newlines = 0
    _give_roles(words, file)
    return words


def comments_of(words: Sequence[Word]) -> list[str]:
    return [w.text for w in words if w.kind == "comment"]


def _give_roles(words: list[Word], file: tree.File) -> None:
    place = {w.at: k for k, w in enumerate(words)}
    for x in records(file):
        match x:
            case tree.Branch(pipeline=tree.Pipeline()):
                words[place[x.label.span.start] + 1].role = "label"
            case tree.Input():
                words[place[x.name.span.start] + 1].role = "label"
            case tree.Step(check=tree.Shape() as shape):
                words[place[shape.span.start] - 1].role = "note"
            case tree.Entry():
                words[place[x.key.span.start]].role = "key"
    before: Word | None = None
    for word in words:
        if word.text in ("+", "-") and (before is None or before.text in _OPERATORS or before.text in KEYWORDS):
            word.role = "sign"
        if word.kind != "comment":
            before = word


def gap(a: Word, b: Word) -> str:
    """What stands between two neighbours on a line."""
    if a.text in ("(", "[") or b.text in (")", "]", ",", ";"):
        return ""
    if a.text in (".", "..") or b.text in (".", "..") or a.role == "sign" or b.role == "label":
        return ""
    if b.text == "(":
        return "" if a.kind == "name" and a.text not in KEYWORDS else " "
    if b.text == "[":
        return "" if (a.kind == "name" and a.text not in KEYWORDS) or a.text in (")", "]") else " "
    return " "
