"""Ugly texts: random files of the grammar, and well-made ones with their spaces, line breaks and comments disturbed.

They parse; what they say need not make sense.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

NAMES = ["conv", "relu", "x", "x3", "asx", "inner", "n", "k2", "dense", "level_1", "model_a", "iffy", "e", "H", "W2", "trainer"]
NUMBERS = ["0", "1", "-1", "7", "128", "2.5", "1e-3", "0.25", "1e6", "3.0E+2", "9007199254740992"]
SIZES = ["3x3", "1x7", "2x2x2", "224x224"]
SHAPES = ["28x28x6", "_x_x32", "HxWx3", "_", "H", "400", "H2x8", "1x1x1x1", "112x112x_"]
COMMENTS = ["# why", "#", "#tight", "# a -> b { ( [ ; : \" '", "#   spaces   ", "# ümlaut → ∞", "## twice # over", "#\ttab\t"]
TEXTS = ['"a"', '""', '"with # and { "', '"guinea  pig"']
_TOKEN = re.compile(r'"[^"\n]*"|#[^\n]*|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?!\w)|\w+|->|\.\.|[=!<>]=|//|\n|[^\w\s]')
_COMMENT = re.compile(r'"[^"\n]*"|(#[^\n]*)')


def comments(text: str) -> list[str]:
    """The comments of a text in order, without the blanks at their ends."""
    return [m[1].rstrip(" \t\r") for m in _COMMENT.finditer(text) if m[1] is not None]


class Writer:
    """A random file of the grammar, token by token, with random blanks between them."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.tidy = draw.choice((0.0, 0.5, 0.9))
        """How often there is one space, or one newline, where anything could be."""
        self.flat = draw.random() < 0.25
        """Whether bodies stand on one line, however long."""
        self.parts: list[str] = []
        self.inside = 0
        self.room = draw.choice((30, 100, 250))
        """About how many tokens the file may still have."""

    def text(self) -> str:
        if self.maybe(0.2):
            self.put("cnn", "1")
            self.separate()
        self.many(self.item, self.draw.randrange(0, 6))
        if self.maybe(0.3):
            self.lines()
        return "".join(self.parts)

    # Blanks ------------------------------------------------------------------------------------------------------

    def maybe(self, share: float) -> bool:
        return self.draw.random() < share

    def put(self, *tokens: str) -> None:
        """Tokens with random blanks before each; newlines too, where they mean nothing."""
        for token in tokens:
            blank = self.blank()
            before = self.parts[-1][-1:] if self.parts else "\n"
            if not blank and _word(before) and _word(token[0]):
                blank = " "
            self.parts += [blank, token]
            self.room -= 1

    def blank(self) -> str:
        if self.maybe(self.tidy):
            return " "
        if self.inside and self.maybe(0.15):
            return self.draw.choice(("\n", "\n\n\n", f" {self.draw.choice(COMMENTS)}\n", "\n        "))
        return self.draw.choice(("", "", " ", "  ", "\t", "       "))

    def lines(self) -> None:
        """A newline, with more of them and comments."""
        for _ in range(1 if self.maybe(self.tidy) else self.draw.choice((1, 1, 2, 4))):
            comment = self.draw.choice(COMMENTS) if self.maybe(0.2) else ""
            self.parts.append(f"{self.draw.choice(('', ' ', '      '))}{comment}{self.draw.choice(('', '  '))}\n")

    def separate(self) -> None:
        kind = 0.0 if self.flat and self.maybe(0.95) else self.draw.random()
        if kind < 0.15:
            self.put(";")
        elif kind < 0.25:
            self.put(";")
            self.lines()
        elif kind < 0.3:
            self.lines()
            self.put(";", ";")
        else:
            self.lines()

    def many(self, write: Callable[[], None], count: int) -> None:
        for k in range(count):
            if k:
                self.separate()
            write()

    def braced(self, write: Callable[[], None], most: int) -> None:
        inside, self.inside = self.inside, 0
        self.put("{")
        if self.maybe(0.0 if self.flat else 0.6):
            self.lines()
        elif self.maybe(0.1):
            self.put(";")
        self.many(write, self.draw.randrange(0, most) if self.room > 0 else 1)
        if self.maybe(0.0 if self.flat else 0.6):
            self.lines()
        elif self.maybe(0.1):
            self.put(";")
        self.put("}")
        self.inside = inside

    def listed(self, open_: str, close: str, write: Callable[[], None], count: int) -> None:
        self.put(open_)
        self.inside += 1
        for k in range(count):
            if k:
                self.put(",")
            write()
        if count and self.maybe(0.2):
            self.put(",")
        self.put(close)
        self.inside -= 1

    # Items -------------------------------------------------------------------------------------------------------

    def name(self) -> str:
        return self.draw.choice(NAMES)

    def item(self) -> None:
        kind = self.draw.randrange(7)
        if kind == 0:
            self.put("use", '"resnet.cnn"')
        elif kind == 1:
            self.put("model", self.name(), "=", self.name())
            self.listed("(", ")", self.argument, self.count())
        elif kind == 2:
            self.put("defaults")
            self.braced(self.default, 4)
        elif kind <= 4:
            self.put(self.draw.choice(("block", "model")), self.name())
            if self.maybe(0.7):
                self.listed("(", ")", self.param, self.count())
            self.braced(self.statement, 7)
        else:
            self.put(self.draw.choice(("train", "eval", "task", "preprocess")))
            if self.maybe(0.5):
                self.put(self.name())
            self.braced(self.entry, 6)

    def count(self) -> int:
        return self.draw.choice((0, 1, 1, 2, 3, 5)) if self.room > 0 else 0

    def entry(self) -> None:
        self.put(self.draw.choice(("loss", "batch", "input", "a_long_key", "k")), "=")
        self.flow()

    def default(self) -> None:
        self.put(self.name())
        self.listed("(", ")", self.argument, self.count())

    def param(self) -> None:
        self.put(self.name())
        if self.maybe(0.5):
            self.put("=")
            if self.maybe(0.3):
                self.put("B", "|", "A", "|", "C")
            else:
                self.value()

    # Statements --------------------------------------------------------------------------------------------------

    def statement(self) -> None:
        kind = self.draw.randrange(14) if self.room > 0 else 9
        if kind == 0:
            self.put("input", self.name(), ":")
            self.shape()
            if self.maybe(0.4):
                self.put("where", "H", "%", "32", "==", "0", ",", "W", ">", "2")
        elif kind == 1:
            self.put("output", self.name())
        elif kind == 2:
            self.put("head", self.name())
            self.braced(self.statement, 4)
        elif kind == 3:
            self.put("share", self.name(), "=")
            self.pipeline()
        elif kind == 4:
            self.put("defaults")
            self.braced(self.default, 3)
        elif kind == 5:
            self.put("block", self.name())
            self.braced(self.statement, 4)
        elif kind <= 7:
            self.conditional(self.statement)
        else:
            self.pipeline()

    def conditional(self, write: Callable[[], None]) -> None:
        if self.maybe(0.3):
            self.put("for", self.name())
            for _ in range(self.draw.randrange(3)):
                self.put(",", self.name())
            self.put("in")
            self.value()
            self.braced(write, 3)
            return
        if self.maybe(0.2):
            self.put("if", self.name(), "{", self.name(), "}")
            self.parts.append(self.draw.choice(("\n", "\n   ", "\n\n", " # why\n")))
            self.put("else", "{", self.name(), "}")
            return
        self.put("if")
        self.value()
        self.braced(write, 3)
        while self.maybe(0.4):
            more = self.maybe(0.5)
            if self.maybe(0.5):
                self.lines()
            self.put("else")
            if more:
                self.put("if")
                self.value()
            self.braced(write, 3)
            if not more:
                break

    def pipeline(self) -> None:
        for k in range(self.draw.choice((1, 1, 2, 3, 14)) if self.room > 0 else 1):
            if k:
                if self.maybe(0.2):
                    self.lines()
                self.put("->")
            self.step()

    def step(self) -> None:
        kind = self.draw.random()
        if kind < 0.1 and self.room > 0:
            self.braced(self.statement, 4)
        elif kind < 0.2:
            self.put("input")
        elif kind < 0.3:
            self.put(self.draw.choice(("mix", "inception")))
            self.listed("(", ")", lambda: self.put(*self.draw.choice(("1", "64", "128", "3x3", "-_0.5", "n")).split("_")), 5)
        else:
            self.put(self.name())
            if self.maybe(0.6):
                self.listed("(", ")", self.argument, self.count())
            if self.maybe(0.15) and self.room > 0:
                self.braced(self.branch, 5)
        if self.maybe(0.2):
            self.put("*")
            self.post()
        if self.maybe(0.15):
            self.put("as", self.name())
        if self.maybe(0.3):
            self.put(":")
            self.shape()

    def branch(self) -> None:
        if self.room > 0 and self.maybe(0.2):
            self.conditional(self.branch)
            return
        self.put(self.name())
        if self.maybe(0.8):
            self.put(":")
            self.pipeline()

    def shape(self) -> None:
        if self.maybe(0.7):
            self.put(self.draw.choice(SHAPES))
        else:
            self.listed("[", "]", lambda: self.put("_") if self.maybe(0.3) else self.value(), self.draw.randrange(1, 4))

    # Values ------------------------------------------------------------------------------------------------------

    def argument(self) -> None:
        if self.maybe(0.4):
            self.put(self.name(), "=")
        self.flow()

    def flow(self) -> None:
        self.value()
        while self.maybe(0.15):
            self.put("->")
            self.value()

    def value(self) -> None:
        """Operands and operators: `not` before comparisons, one comparison, no range within a range."""
        if self.maybe(0.08):
            self.put("not")
        self.sum()
        kind = self.draw.random()
        if kind < 0.1:
            self.put(self.draw.choice(("==", "!=", "<", ">", "<=", ">=")))
            self.sum()
        elif kind < 0.2:
            self.put("..")
            self.sum()
        if self.maybe(0.08):
            self.put(self.draw.choice(("and", "or")))
            self.sum()

    def sum(self) -> None:
        while self.maybe(0.1):
            self.put(self.draw.choice("+-"))
        self.post()
        while self.maybe(0.2):
            self.put(self.draw.choice(("+", "-", "*", "/", "//", "%")))
            if self.maybe(0.1):
                self.put("-")
            self.post()

    def post(self) -> None:
        kind = self.draw.random() if self.room > 0 else 0.9
        if kind < 0.1:
            self.put("(")
            self.inside += 1
            self.flow()
            self.put(")")
            self.inside -= 1
        elif kind < 0.3:
            long = self.maybe(0.1)
            self.listed("[", "]", self.flow, self.draw.randrange(10, 30) if long else self.draw.randrange(4))
        elif kind < 0.4:
            self.put(self.name())
            self.listed("(", ")", self.argument, self.count())
        elif kind < 0.5:
            self.put(self.name(), "[", self.draw.choice("012"), "]")
            if self.maybe(0.4):
                self.put(".", "channels")
        elif kind < 0.55:
            self.put("input", ".", "height")
        elif kind < 0.7:
            self.put(self.draw.choice(SIZES) if self.maybe(0.5) else self.draw.choice(("true", "false", *TEXTS)))
        elif kind < 0.85:
            self.put(self.name())
        else:
            self.put(self.draw.choice(NUMBERS[:2] if self.maybe(0.5) else [n for n in NUMBERS if n[0] != "-"]))


def _word(c: str) -> bool:
    return c.isalnum() or c == "_"


def disturbed(text: str, draw: random.Random) -> str:
    """The tokens of a text that parses, with other blanks, comments and line breaks between them; the meaning stays."""
    tokens = _TOKEN.findall(text)
    tidy = draw.choice((0.3, 0.8, 0.95))
    out: list[str] = []
    open_: list[str] = []
    for k, token in enumerate(tokens):
        after = next((t for t in tokens[k + 1 :] if t != "\n"), "")
        inside = bool(open_) and open_[-1] != "{"
        if token == "\n":
            last = next((t for t in reversed(out) if t.strip(" \t")), "\n")
            if (
                not inside
                and open_
                and last not in ("\n", "{", ";")
                and last[0] != "#"
                and after not in ("->", "else", "}", "")
            ):
                out.append(draw.choice(("\n", "\n", ";", ";\n", "\n;", "\n\n\n")))
            else:
                out.append("\n")
            continue
        blank = " " if draw.random() < tidy else draw.choice(("", "   ", "\t"))
        if inside and draw.random() > max(tidy, 0.9):
            blank = draw.choice(("\n", "\n  ", f" {draw.choice(COMMENTS)}\n"))
        last = out[-1][-1:] if out else "\n"
        out.append(" " if not blank and _word(last) and _word(token[0]) else blank)
        out.append(token)
        if token in ("(", "[", "{"):
            open_.append(token)
        elif token in (")", "]", "}"):
            open_.pop()
        if token == "{" and draw.random() > tidy:
            out.append(f" {draw.choice(COMMENTS)}\n")
    return "".join(out)
