"""The loop that runs the parser's tables: text in, one record a rule out.

Lexer and parser are one: which terminals may come depends on the state (`28x28x6` is a shape after `:`, a size
elsewhere). Most tokens come from one regular expression of all terminals: what it finds first is right where the state
takes it, for of those that the state takes none comes before it. Otherwise the state's own terminals are tried.

lark's own loop gives the same trees (`tests/language/test_machine.py`) and takes longer: 10,000 lines of convolutions
take 1.3 s there and 0.8 s here, of the 2 s that checking them may take in all (`tests/bench/check_time.py`). Most of its
time goes to the chain of rules with one part each between an argument and the number it is, each a call and a list; here
they are a step without either. And a program starts without lark, whose tables lie ready (`tables`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

END = "$END"
NEWLINE = "_NL"
LIMIT = "SHAPE"
"""The terminal that begins like numbers and names, and stands first: states that do not take it have an expression without."""


class Unexpected(Exception):  # noqa: N818  (it becomes a message in `parse`)
    """At `at` stands a token of `kind` ("" where no token begins there), and `expected` could."""

    def __init__(self, at: int, kind: str, expected: set[str]) -> None:
        super().__init__(at, kind, expected)
        self.at, self.kind, self.expected = at, kind, expected


class Token:
    """A word or sign that carries meaning, with its place."""

    __slots__ = ("end", "start", "text", "type")

    def __init__(self, type: str, text: str, start: int, end: int) -> None:
        self.type, self.text, self.start, self.end = type, text, start, end


Build = Callable[[int, int, list[Any]], Any]


class Machine:
    """Tables, ready to run. `kept`: terminals whose tokens reach the builders; of the others only the place counts."""

    def __init__(self, tables: Mapping[str, Any], kept: frozenset[str]) -> None:
        self.states: list[dict[str, int]] = tables["states"]
        self.rules: list[tuple[str, int]] = [(name, size) for name, size in tables["rules"]]
        self.terminals: list[tuple[str, str]] = [(name, pattern) for name, pattern in tables["terminals"]]
        self.ignored = frozenset(tables["ignored"])
        self.starts: dict[str, tuple[int, int]] = {name: (begin, end) for name, (begin, end) in tables["starts"].items()}
        self.kept = kept
        names = {name for name, _ in self.terminals}
        every, without = self._expression(names), self._expression(names - {LIMIT})
        self.first = [every.match if LIMIT in row else without.match for row in self.states]
        self.all = every.match
        self.own: dict[frozenset[str], Callable[..., re.Match[str] | None]] = {}

    def _expression(self, names: set[str] | frozenset[str]) -> re.Pattern[str]:
        return re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in self.terminals if name in names))

    def taken(self, state: int) -> frozenset[str]:
        """The terminals that are looked for in a state."""
        return frozenset(self.states[state]) | self.ignored | {NEWLINE}

    def token(self, text: str, at: int, state: int) -> re.Match[str]:
        """The token at `at` by the state's own terminals. Raises Unexpected."""
        taken = self.taken(state)
        own = self.own.get(taken)
        if own is None:
            own = self.own[taken] = self._expression(taken).match
        found = own(text, at)
        if found is None:
            other = self.all(text, at)
            names = {name for name, _ in self.terminals}
            raise Unexpected(at, str(other.lastgroup) if other else "", (set(taken) & names) - self.ignored)
        return found

    def run(self, text: str, start: str, builders: Mapping[str, Build]) -> Any:
        """What the builder of `start` makes of `text`. Raises Unexpected.

        builders: rule → (begin, end, parts) → record. Rules without one pass their parts on.
        """
        rows, first, kept, ignored = self.states, self.first, self.kept, self.ignored
        rules = [(name, size, builders.get(name)) for name, size in self.rules]
        state, last = self.starts[start]
        row = rows[state]
        states: list[int] = [state]
        values: list[Any] = []
        begins: list[int] = []
        brackets: list[str] = []
        at, end, length = 0, 0, len(text)
        while True:
            if at < length:
                found = first[state](text, at)
                kind = str(found.lastgroup) if found is not None else ""
                if kind in ignored:
                    at = found.end()  # type: ignore[union-attr]
                    continue
                if kind not in row and kind != NEWLINE:
                    found = self.token(text, at, state)
                    kind = str(found.lastgroup)
                begin, at = at, found.end()  # type: ignore[union-attr]
                if kind in OPENS:
                    brackets.append(kind)
                elif kind in CLOSES:
                    if brackets:
                        brackets.pop()
                elif kind == NEWLINE and brackets and brackets[-1] != "LBRACE":
                    continue  # inside ( ) and [ ] newlines mean nothing
            else:
                kind, begin = END, length
            while True:
                to = row.get(kind)
                if to is None:
                    if state == last and kind == END:
                        return values[-1]
                    raise Unexpected(begin, kind, {name for name in row if name.isupper()})
                if to >= 0:
                    break
                name, size, build = rules[-1 - to]
                if size == 1:
                    if build is not None:  # else it passes its one part on
                        part = values[-1]
                        values[-1] = build(begins[-1], end, part if type(part) is list else [] if part is None else [part])
                    states[-1] = state = rows[states[-2]][name]
                    row = rows[state]
                else:
                    parts: list[Any] = []
                    for part in values[-size:] if size else ():
                        if type(part) is list:  # of a rule without a builder
                            parts = [*parts, *part] if parts else part
                        elif part is not None:
                            parts.append(part)
                    if size:
                        del states[-size:], values[-size:], begins[1 - size :]
                    else:
                        begins.append(end)
                    values.append(parts if build is None else build(begins[-1], end, parts))
                    state = rows[states[-1]][name]
                    row = rows[state]
                    states.append(state)
            states.append(to)
            values.append(Token(kind, text[begin:at], begin, at) if kind in kept else None)
            begins.append(begin)
            state, end = to, at
            row = rows[state]


OPENS = frozenset(["LPAR", "LSQB", "LBRACE"])
CLOSES = frozenset(["RPAR", "RSQB", "RBRACE"])
