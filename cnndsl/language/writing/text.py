"""Lines: steps in a row, and braces around them."""

from __future__ import annotations

from dataclasses import dataclass

INDENT = "    "
WIDTH = 100
"""Characters that a line is meant to stay within."""


@dataclass(slots=True)
class Statement:
    """A pipeline in the making. steps: how many, what it begins from left out. fresh: whether a name may follow its last
    step alone. plain: whether it holds no name and begins from the flow.
    value: what flows after it."""

    lines: list[str]
    steps: int = 0
    fresh: bool = True
    plain: bool = True
    value: object = None
    again: tuple[str, int] = ("", 0)

    def repeats(self, text: list[str]) -> bool:
        """Whether a step is the last one again, which no name parts from it."""
        return text == [self.again[0]] and not self.fresh

    def add(self, text: list[str], *, again: bool = False) -> None:
        """One more step. again: where it is the last one again, that one is repeated instead."""
        if again and self.repeats(text):
            word, count = self.again
            self.lines[-1] = self.lines[-1].removesuffix(f" * {count}") + f" * {count + 1}"
            self.again = (word, count + 1)
            self.steps += 1
            return
        self.again = (text[0], 1)
        self.lines[-1:] = [f"{self.lines[-1]} -> {text[0]}" if self.lines[-1] else text[0], *text[1:]]
        self.steps += 1
        self.fresh = False

    def name(self, name: str) -> None:
        self.lines[-1] += f" as {name}"
        self.fresh, self.plain = True, False


def indented(lines: list[str]) -> list[str]:
    return [INDENT + line for line in lines]


def braced(lines: list[str]) -> list[str]:
    """A body: on one line where it has one."""
    if len(lines) == 1 and len(lines[0]) < WIDTH - 12:
        return [f"{{ {lines[0]} }}"]
    return ["{", *indented(lines), "}"]


def pipeline_lines(statements: list[Statement]) -> list[str]:
    """Statements where one pipeline is wanted."""
    lines = [line for s in statements for line in s.lines]
    return lines if len(statements) == 1 else ["{", *indented(lines), "}"]


def labelled_lines(label: str, statements: list[Statement]) -> list[str]:
    lines = pipeline_lines(statements)
    return [f"{label}: {lines[0]}", *lines[1:]]
