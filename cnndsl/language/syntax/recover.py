"""The way on from a syntax error, so that one run reports several: an error is recorded, its logical line blanked but for its
braces, and the text parsed again. What follows from an error that was found before is blanked without a word.
"""

from __future__ import annotations

import re

from cnndsl.errors import Diagnostic, Source
from cnndsl.language.syntax import braces, scan
from cnndsl.language.syntax.habits import habit
from cnndsl.language.syntax.machine import END, Unexpected

MOST_ERRORS = 20
MOST_READ = 400_000
"""Characters read in all to find several errors: the same errors on every machine, and not for long."""


class Recovery:
    """found: the errors so far. text: the source without them, each of its characters where it was."""

    def __init__(self, source: Source) -> None:
        self.source, self.text, self.read = source, source.text, 0
        self.found: list[Diagnostic] = []

    def goes_on(self, e: Unexpected) -> bool:
        """Take in where the parser stopped; whether there is more to read."""
        text = self.text
        new, self.text = mend(self.source, text, e)
        if not _follows(self.source, text, new, e.at, self.found):
            self.found.append(new)
        elif new.code != "E101" and _line(text, e.at) in _places(self.found):
            self.text = _without_line(text, e.at)  # what was left of the line is still wrong
        self.read += max(e.at, len(text) // 8)
        return self.text != text and len(self.found) < MOST_ERRORS and self.read <= MOST_READ


def mend(source: Source, text: str, e: Unexpected) -> tuple[Diagnostic, str]:
    """What is wrong, and `text` with the place blanked (unchanged where one cannot go on)."""
    found = braces.trouble(source, text, e.at)
    if found is not None:
        return found
    if e.kind == END:
        return scan.unfinished(source, text), text
    start, end = scan.logical_line(text, e.at)
    opener = scan.opener(text, e.at)
    if opener is not None and ("\n" in text[opener : e.at] or scan.behind_arguments(text, opener, e.at)):
        start, end = scan.logical_line(text, opener)
        message = scan.unclosed(source, text, opener)
    elif (known := habit(source, text, e.at, scan.inside(text, e.at), scan.in_recipe(text, e.at))) is not None:
        return known[0], _without(text, e.at, known[1].ends)
    else:
        message = scan.unexpected(source, text, e.at, e.expected)
        extra = text.startswith("{", e.at) and braces.surplus(text, e.at)[0] > 0
        if extra or (text.startswith((")", "]"), e.at) and scan.inside(text, e.at) not in ("(", "[")):
            return message, braces.blanked(text, e.at, e.at + 1)
        more = text.count("{", start, end) - text.count("}", start, end)
        if more < 0 and more == braces.surplus(text, e.at)[0]:  # `if a relu }`: its } goes with it
            return message, braces.blanked(text, start, end)
    return message, scan.blank(text, start, end)


def _without(text: str, at: int, what: str) -> str:
    """`text` without the line at `at`, the top-level item around it, or the line and the braces that it opens."""
    start, end = scan.logical_line(text, at)
    if what == "item":
        after = braces.ITEM.search(text, end)
        return braces.blanked(text, start, after.start() if after else len(text))
    if what == "braces":
        return braces.blanked(text, start, scan.closing(text, start, end))
    return scan.blank(text, start, end)


def _follows(source: Source, text: str, new: Diagnostic, at: int, found: list[Diagnostic]) -> bool:
    """Whether an error is the consequence of one found before: on the same line, or where a line begins with what continues
    the line above (`else`, a row of a list), and that line is blanked."""
    if new.span is None or not found:
        return False
    if new.span.line in _places(found):
        return True
    start = text.rfind("\n", 0, at) + 1
    if text[start:at].strip() or not _CONTINUES.match(text, at):
        return False
    above = source.text[:start].rstrip()
    begin = above.rfind("\n") + 1
    return text[begin : len(above)] != above[begin:]


_CONTINUES = re.compile(r"else\b|->|[\[\]),]")


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _without_line(text: str, at: int) -> str:
    """`text` without the line at `at`; without the whole item, where that would leave its braces uneven."""
    more, start, end = braces.surplus(text, at)
    if not more:
        start, end = scan.logical_line(text, at)
    return braces.blanked(text, start, end)


def _places(found: list[Diagnostic]) -> set[int]:
    """The lines of these errors."""
    return {d.span.line for d in found if d.span is not None}
