"""A brace that is not there, or one too many: which one, told by how the lines are indented, and the text without its trouble.

The parser stops far behind such a place, and then at every line. So where a top-level item has not as many `{` as `}`, the
item is read line by line first. Indentation means nothing to the language; here it says what the writer meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cnndsl.errors import Diagnostic, Source, Span
from cnndsl.language.syntax.scan import plain

ITEM = re.compile(r"^(?:block|model|use|defaults|train|eval|task|preprocess)\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong: the place that is to blame, where the lines show it, and what to blank to go on."""

    message: str
    start: int
    end: int
    seen: int
    blank: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that is not empty. column: of its first character. head, first: start and column of the line that it continues;
    what stands inside ( ) and [ ], or behind a leading ->, continues the line above."""

    start: int
    end: int
    column: int
    head: int
    first: int
    text: str

    @property
    def begins(self) -> bool:
        return self.start == self.head


@dataclass(slots=True)
class _Open:
    """A `{` and its line. inner: the column of the first line behind it, once that is known."""

    at: int
    line: _Line
    inner: int | None = None


def surplus(text: str, at: int) -> tuple[int, int, int]:
    """How many `{` more than `}` the top-level item around `at` has, and where it starts and ends."""
    shown = plain(text)
    starts = [0, *(m.start() for m in ITEM.finditer(shown)), len(text)]
    start = max(x for x in starts[:-1] if x <= at)
    end = min((x for x in starts if x > at), default=len(text))
    return shown.count("{", start, end) - shown.count("}", start, end), start, end


def trouble(source: Source, text: str, at: int) -> tuple[Diagnostic, str] | None:
    """The first brace trouble that shows at or before `at`, and `text` without it; None where there is none."""
    shown = plain(text)
    starts = [0, *(m.start() for m in ITEM.finditer(shown) if m.start())]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        if start > at:
            break
        more = shown.count("{", start, end) - shown.count("}", start, end)
        lines = _lines(source.text, shown, start, end) if more else []
        found = _unclosed(shown, lines, end) if more > 0 else _unopened(shown, lines) if more < 0 else None
        if found is not None and found.seen <= at:
            left = blanked(text, *found.blank)
            rest = plain(left)
            if abs(rest.count("{", start, end) - rest.count("}", start, end)) >= abs(more):
                left = blanked(text, start, end)
            return Diagnostic("E101", found.message, Span(source, found.start, found.end)), left
    return None


def blanked(text: str, start: int, end: int) -> str:
    return text[:start] + re.sub("[^\n]", " ", text[start:end]) + text[end:]


def _lines(whole: str, shown: str, start: int, end: int) -> list[_Line]:
    """The lines of an item. whole: the text before anything was blanked, which says where lines begin."""
    found: list[_Line] = []
    depth = 0
    while start < end:
        stop = shown.find("\n", start, end)
        stop = end if stop < 0 else stop
        left, text = shown[start:stop].strip(), whole[start:stop].strip()
        if left:
            column = stop - start - len(whole[start:stop].lstrip())
            above = found[-1] if found and (depth > 0 or text.startswith("->")) else None
            head, first = (above.head, above.first) if above is not None else (start, column)
            found.append(_Line(start, stop, column, head, first, text))
            depth = max(0, depth + sum((c in "([") - (c in ")]") for c in left))
        start = stop + 1
    return found


def _unclosed(shown: str, lines: list[_Line], end: int) -> Trouble | None:
    """A `{` whose `}` is not there: the first behind which a line begins, or a `}` stands, too far to the left."""
    stack: list[_Open] = []
    for k, line in enumerate(lines):
        if line.begins and stack and line.text[0] != "}" and line.column <= stack[-1].line.first:
            return _not_closed(stack[-1], lines[k:], end)
        for at in _signs(shown, line):
            if shown[at] == "{":
                stack.append(_Open(at, line))
            elif stack:
                last = stack.pop()
                if at == line.start + line.column and line.column < last.line.first:
                    return _not_closed(last, lines[k:], end)
    return _not_closed(stack[-1], [], end) if stack else None


def _unopened(shown: str, lines: list[_Line]) -> Trouble | None:
    """A `}` too many, or one whose `{` is not there: the first behind which a line begins too far to the right."""
    stack: list[_Open] = []
    last, before = -1, None
    for k, line in enumerate(lines):
        if line.begins and before is not None and line.text[0] != "}":
            if stack and stack[-1].inner is None:
                stack[-1].inner = line.column
            elif line.column > ((stack[-1].inner or 0) if stack else lines[0].column):
                if last >= before.head:
                    return _extra(last, line.start)
                return _not_opened(shown, before, lines[k:])
        for at in _signs(shown, line):
            if shown[at] == "{":
                stack.append(_Open(at, line))
                continue
            opened = stack.pop() if stack else None
            if opened is None or (at == line.start + line.column and line.column > opened.line.column):
                return _extra(at, at)
            last = at
        before = line
    return None


def _signs(shown: str, line: _Line) -> list[int]:
    return [m.start() for m in re.compile("[{}]").finditer(shown, line.start, line.end)]


def _not_closed(brace: _Open, rest: list[_Line], end: int) -> Trouble:
    seen = rest[0].start if rest else end
    return Trouble("`{` is not closed", brace.at, brace.at + 1, seen, (brace.line.head, _beyond_else(rest, brace.line, end)))


def _extra(at: int, seen: int) -> Trouble:
    return Trouble("`}` closes nothing", at, at + 1, seen, (at, at + 1))


def _not_opened(shown: str, line: _Line, rest: list[_Line]) -> Trouble:
    """`line` should end with a `{`; blanked up to its `}`, or to the line that begins no deeper."""
    last = line.start + len(shown[line.start : line.end].rstrip())
    stop = rest[-1].end
    for k, after in enumerate(rest):
        if after.begins and after.column <= line.first:
            closes = after.text == "}"
            stop = _beyond_else(rest[k + closes :], line, after.end if closes else after.start)
            break
    return Trouble("the `{` of this line is missing", last - 1, last, line.head, (line.head, stop))


def _beyond_else(rest: list[_Line], line: _Line, end: int) -> int:
    """Where what `line` begins ends, `else` and its body included: at the first of `rest` that is none of it."""
    inside = False
    for after in rest:
        inside = after.text.startswith("else") or (inside and (after.column > line.first or after.text == "}"))
        if not inside:
            return after.start
        end = after.end
    return end
