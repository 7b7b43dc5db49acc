"""Text → syntax tree. The one door to lark.

Several syntax errors are reported in one run: an error is recorded, its line blanked (its braces kept), and the text
parsed again, because lark's own recovery resumes in the wrong state.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Iterator

from lark import Lark, Token, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from cnndsl.errors import CnnError, Diagnostic, Source, Span
from cnndsl.language import bundled, syntax
from cnndsl.language.source import blank, check
from cnndsl.language.tree import Builder

MOST_ERRORS = 20
LONGEST_SECONDS = 0.5


class DropNewlines:
    """Newlines inside ( ) and [ ] mean nothing. Counts, never looks ahead."""

    always_accept = ("_NEWLINE",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        depth: list[str] = []
        for token in stream:
            if token.type in ("LPAR", "LSQB", "LBRACE"):
                depth.append(token.type)
            elif token.type in ("RPAR", "RSQB", "RBRACE") and depth:
                depth.pop()
            if token.type != "_NEWLINE" or not depth or depth[-1] == "LBRACE":
                yield token


@functools.cache
def _lark() -> Lark:
    return Lark(
        bundled.grammar(),
        parser="lalr",
        lexer="contextual",
        start=["start", "entry"],
        propagate_positions=True,
        maybe_placeholders=True,
        postlex=DropNewlines(),
    )


def parse(source: Source) -> syntax.File:
    """The tree of a whole file. Raises `CnnError` with every syntax error found (E1xx, E9xx)."""
    check(source)
    found: list[Diagnostic] = []
    text = source.text + "\n"
    until = time.monotonic() + LONGEST_SECONDS
    while True:
        try:
            tree = _lark().parse(text, start="start")
        except UnexpectedInput as e:
            problem, span = _diagnose(source, text, e)
            found.append(problem)
            cut = _without(text, span)
            if cut == text or len(found) >= MOST_ERRORS or time.monotonic() > until:
                break
            text = cut
            continue
        if not found:
            return Builder(source).file(tree)
        break
    raise CnnError(sorted(dict.fromkeys(found), key=lambda d: d.span.start if d.span else 0))


def parse_value(text: str, name: str = "<argument>") -> syntax.Expr:
    """The tree of one expression or pipeline of a recipe, as given on a command line."""
    source = Source(name, text)
    check(source)
    try:
        tree = _lark().parse(f"value = {text}", start="entry")
    except UnexpectedInput as e:
        problem, _ = _diagnose(Source(name, f"value = {text}"), f"value = {text}", e)
        raise CnnError(problem) from None
    return Builder(Source(name, f"value = {text}")).entry(tree).value


# Errors ----------------------------------------------------------------------------------------------------------------


def _diagnose(source: Source, text: str, e: UnexpectedInput) -> tuple[Diagnostic, tuple[int, int]]:
    """The message for a place where the parser stopped, and that place in the text."""
    token = e.token if isinstance(e, UnexpectedToken) else None
    end = len(source.text)
    at = end if token is not None and token.type == "$END" else min(getattr(e, "pos_in_stream", None) or 0, end)
    opener = _open_bracket(text, at)
    if opener is not None and (at >= end or (text[opener] in "([" and "\n" in text[opener:at])):
        span = Span(source, opener, opener + 1)
        closes = {"(": ")", "[": "]", "{": "}"}[text[opener]]
        return Diagnostic("E104", f"`{text[opener]}` is not closed", span, help=f"add the missing `{closes}`"), (opener, at)
    found = text[at : at + 1] if isinstance(e, UnexpectedCharacters) else str(token or "")
    newline = token is not None and token.type == "_NEWLINE"
    span = Span(source, at, at + (1 if newline else max(1, len(found))))
    before = text[:at].rstrip(" \t")
    word = re.match(r"\S+", text[at:])
    shown = "the end of the line" if newline or found.startswith("\n") else f"`{found}`" if found else "the end of the file"
    start = re.search(r"[\w.]*$", text[:at])
    near = (start[0] if start else "") + (word[0] if word else "")
    if before.endswith("->"):
        arrow = Span(source, len(before) - 2, len(before))
        return Diagnostic("E103", "`->` leads nowhere", arrow, help="a step must follow `->`, on this line or the next"), (at - 1, at)
    if re.match(r"\d+x[A-Za-z_(]", near) or re.search(r"\dx[a-z]\w*$", near):
        parts = re.split("x", re.match(r"[\w]+", near)[0], maxsplit=1)  # type: ignore[index]
        begin = at - (len(start[0]) if start else 0)
        return Diagnostic("E105", f"`{near.rstrip(',) ')}` is not a size", Span(source, begin, begin + len(near.rstrip(",) "))),
                          help=f"a part that is not a plain number needs the list form: [{', '.join(parts)}]"), (at, at)  # fmt: skip
    if found in ("}", ")", "]") and opener is None:
        return Diagnostic("E104", f"`{found}` closes nothing", span), (at, at + 1)
    return Diagnostic("E103", f"unexpected {shown}", span, help=_hint(e)), (at, at)


_SHOWN = {
    "NAME": "a name", "INT": "a number", "_NEWLINE": "a new line", "ARROW": "`->`", "LPAR": "`(`", "RPAR": "`)`",
    "LBRACE": "`{`", "RBRACE": "`}`", "LSQB": "`[`", "RSQB": "`]`", "EQUAL": "`=`", "COMMA": "`,`", "COLON": "`:`",
    "SHAPE": "a shape such as 28x28x1", "STRING": 'a text in "quotes"', "__ANON_0": "`->`", "_IN": "`in`", "TIMES": "`*`",
}  # fmt: skip


def _hint(e: UnexpectedInput) -> str | None:
    """What could stand there instead, where that is short enough to help."""
    expected = set(getattr(e, "accepts", None) or getattr(e, "expected", None) or getattr(e, "allowed", None) or ())
    if "INT" in expected and "NAME" in expected:
        return "a value is expected here"
    shown = [_SHOWN[x] for x in sorted(expected) if x in _SHOWN]
    return f"expected {' or '.join(shown)}" if 0 < len(shown) <= 4 else None


def _open_bracket(text: str, at: int) -> int | None:
    """The innermost bracket that is still open before `at`."""
    stack: list[int] = []
    for match in re.finditer(r"[(\[{}\])]", blank(text[:at])):
        if match[0] in "([{":
            stack.append(match.start())
        elif stack:
            stack.pop()
    return stack[-1] if stack else None


def _without(text: str, where: tuple[int, int]) -> str:
    """`text` with the logical line of an error blanked, its braces kept; a whole item where its header is the line."""
    at = where[0]
    plain = blank(text)
    begin = text.rfind("\n", 0, at) + 1
    while begin > 0 and re.match(r"[ \t]*->", text[begin:]):
        begin = text.rfind("\n", 0, begin - 1) + 1
    end = text.find("\n", at)
    end = len(text) if end < 0 else end
    while re.match(r"\n[ \t]*->", text[end:]):
        following = text.find("\n", end + 1)
        end = len(text) if following < 0 else following
    keep = "{}\n"
    if plain[:begin].count("{") <= plain[:begin].count("}"):  # outside of any body: the item goes as a whole
        keep, depth = "\n", 0
        for match in re.finditer(r"[{}]", plain[begin:]):
            depth += 1 if match[0] == "{" else -1
            if depth <= 0:
                end = max(end, begin + match.end())
                break
    gone = "".join(c if c in keep and plain[begin + i] == c else " " for i, c in enumerate(text[begin:end]))
    return text[:begin] + gone + text[end:]


