"""What is done with the text itself: the limits before a tree is built, and the words for syntax errors.

Everything here is a loop over a few regular expressions, so that a hostile text costs time in its length alone.
"""

from __future__ import annotations

import re

from cnndsl.errors import Diagnostic, Source, Span, error
from cnndsl.graph.naming import RESERVED
from cnndsl.language.spelling import listed, nearest

MOST_BYTES = 512 * 1024
MOST_LINES = 10_000
MOST_TOKENS = 100_000
MOST_NESTED = 100
ITEMS = ("use", "defaults", "block", "model", "train", "eval", "task", "preprocess")
"""The words that begin what a file is made of."""

_TOKEN = re.compile(r"#[^\n]*|\"[^\"\n]*\"|\w+|[^\w\s]")
_HIDDEN = re.compile(r'"[^"\n]*"|#[^\n]*')
_LONG = re.compile(r"(?<!\d)(?<!\d\.)\d{17}")  # also inside a size, 3x33333333333333333; not behind a point
_CLOSES = {")": "(", "]": "[", "}": "{"}


def check(source: Source) -> None:
    """The limits of a source. Raises E901 to E904 at the place where one is passed, E102 for a control character."""
    text = source.text
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise error("E901", f"a source has at most {MOST_BYTES // 1024} KB", Span(source, 0, 1))
    bad = re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", text)
    if bad:
        raise error(
            "E102", f"the character U+{ord(bad[0]):04X} does not belong in a text", Span(source, bad.start(), bad.end())
        )
    if text.count("\n") > MOST_LINES:
        at = -1
        for _ in range(MOST_LINES):
            at = text.index("\n", at + 1)
        raise error("E902", f"a source has at most {MOST_LINES:,} lines", Span(source, at + 1, at + 2))
    tokens = depth = 0
    for token in _TOKEN.finditer(text):
        word = token[0]
        if word[0] == "#":
            continue
        tokens += 1
        if tokens > MOST_TOKENS:
            raise error(
                "E903", f"a source has at most {MOST_TOKENS:,} words and signs", Span(source, token.start(), token.end())
            )
        if word in "([{":
            depth += 1
            if depth > MOST_NESTED:
                message = f"brackets and braces nest at most {MOST_NESTED} deep"
                raise error("E904", message, Span(source, token.start(), token.end()))
        elif word in ")]}":
            depth = max(0, depth - 1)
        elif word[0].isdigit() and len(word) > 16 and _LONG.search(text, token.start(), token.end()):
            raise error("E905", "whole numbers go from -2**53 to 2**53", Span(source, token.start(), token.end()))


def plain(text: str) -> str:
    """`text` with strings and comments blanked, of the same length."""
    return _HIDDEN.sub(lambda m: " " * len(m[0]), text)


def logical_line(text: str, at: int) -> tuple[int, int]:
    """The line around `at`, with the lines above that it continues: by ->, or behind the end of their ( ) or [ ]."""
    start = text.rfind("\n", 0, at) + 1
    if inside(text, at) not in ("(", "[") and inside(text, start) in ("(", "["):
        stack = _open(text, start)
        around = max((k for k, x in enumerate(stack) if text[x] == "{"), default=-1)
        start = text.rfind("\n", 0, stack[around + 1]) + 1
    while start > 0 and re.compile(r"[ \t]*->").match(text, start):
        start = text.rfind("\n", 0, start - 1) + 1
    end = text.find("\n", at)
    return start, len(text) if end < 0 else end


def _open(text: str, at: int) -> list[int]:
    stack: list[int] = []
    for i, c in enumerate(plain(text[:at])):
        if c in "([{":
            stack.append(i)
        elif c in ")]}" and stack and text[stack[-1]] == _CLOSES[c]:
            stack.pop()
    return stack


def inside(text: str, at: int) -> str:
    """The innermost bracket that is open before `at`; empty where none is."""
    stack = _open(text, at)
    return text[stack[-1]] if stack else ""


def in_recipe(text: str, at: int) -> bool:
    """Whether the outermost brace that is open before `at` is a recipe's."""
    stack = _open(text, at)
    start = text.rfind("\n", 0, stack[0]) + 1 if stack else 0
    return bool(stack) and re.compile(r"\s*(train|eval|task|preprocess)\b").match(text, start) is not None


def closing(text: str, start: int, end: int) -> int:
    """Behind the `}` of the first `{` in `text[start:end]`; `end` where there is none."""
    depth = 0
    for sign in re.compile("[{}]").finditer(plain(text), start):
        if depth == 0 and (sign[0] == "}" or sign.start() >= end):
            return end
        depth += 1 if sign[0] == "{" else -1
        if depth == 0:
            return max(end, sign.end())
    return end


def opener(text: str, at: int) -> int | None:
    """The ( or [ that is open before `at`, where it is the innermost bracket and is never closed: no brace stands inside."""
    stack = _open(text, at)
    if not stack or text[stack[-1]] not in "([":
        return None
    around = max((k for k, x in enumerate(stack) if text[x] == "{"), default=-1)
    return None if _is_closed(text, stack[around + 1]) else stack[-1]


_BEHIND = re.compile(r"[ \t]*(?:->|(?<!\w)as(?!\w)|:[ \t]*(?=[\d_\[A-Z])|[;{}])")
"""What follows a step, and stands in no arguments: a pipeline, a name, a shape."""


def behind_arguments(text: str, at: int, stop: int) -> bool:
    """Whether the arguments that begin at `at` ended somewhere before `stop`, where the parser met what follows a step."""
    return _BEHIND.match(text, stop) is not None and text[at] == "("


def unclosed(source: Source, text: str, at: int) -> Diagnostic:
    """E101 for the ( [ or { at `at`; of arguments on one line with the line as it was meant."""
    message, span = f"`{text[at]}` is not closed", Span(source, at, at + 1)
    end = text.find("\n", at)
    line = plain(text[: len(text) if end < 0 else end])
    depth, close = 0, len(line)
    for sign in re.compile(rf"[(\[]|[)\]]|{_BEHIND.pattern}").finditer(line, at + 1):
        if sign[0] in ("(", "["):
            depth += 1
        elif sign[0] in (")", "]"):
            depth -= 1
        elif depth == 0:
            close = sign.start()
            break
    inner = line[at + 1 : close].rstrip()
    begin = re.compile(r"\w*$").search(line, 0, at)
    if text[at] != "(" or depth != 0 or begin is None or not inner or inner[-1] in ",=":
        return Diagnostic("E101", message, span)
    step, rest = f"{line[begin.start() : at]}({inner.strip()})", line[close:].strip()
    whole = f"{step} {rest}" if rest and rest[0] not in ";{}" and len(rest) <= 60 else step
    return Diagnostic("E101", message, span, help=whole)


def _is_closed(text: str, at: int) -> bool:
    """Whether the ( or [ at `at` has a partner."""
    depth = 0
    for sign in re.finditer(r"[(){}\[\]]", plain(text[at:])):
        if sign[0] in "{}":
            return False
        depth += 1 if sign[0] in "([" else -1
        if depth == 0:
            return True
    return False


_HEADER = re.compile(r"[ \t]*(block|model|train|eval|task|preprocess|defaults)(?!\w)[^{}\n]*\{")
_OPENS = re.compile(
    r"(?<![\w.])(?:(?P<join>concat|add|subtract|multiply|maximum)|(?P<if>if)|(?P<for>for)|(?P<else>else))(?!\w)"
    r"|(?P<label>\w+[ \t]*:)[ \t]*\{"
)


def blank(text: str, start: int, end: int) -> str:
    """`text[start:end]` as spaces, but for its braces and for what makes them a body, branches, a condition or an item.

    At the top level, where no header with its brace is left to stand, up to the end of the item.
    """
    top = not any(text[i] == "{" for i in _open(text, start))
    shown = plain(text)
    header = _HEADER.match(shown, start, end) if top else None
    if top and header is None:
        depth = 0
        for i in range(start, len(text)):
            depth += (shown[i] == "{") - (shown[i] == "}")
            if (depth <= 0 and shown[i] == "}") or (depth == 0 and i >= end):
                end = max(end, i + 1)
                break
        else:
            end = len(text)
        return text[:start] + re.sub("[^\n]", " ", text[start:end]) + text[end:]
    left = list(re.sub("[^{}\n]", " ", shown[start:end]))
    if header is not None:
        named = header[1] in ("block", "model")
        _put(left, header.start(1) - start, header[1] + (" a" if named else ""))
    at = start if header is None else header.end()
    while (brace := shown.find("{", at, end)) >= 0:
        found = list(_OPENS.finditer(shown, max(at, shown.rfind("}", at, brace) + 1), brace + 1))
        chain = len(found) > 1 and (found[-2].lastgroup, found[-1].lastgroup) == ("else", "if")
        for each in found[-2 if chain else -1 :]:
            kind = str(each.lastgroup)
            word = {"if": "if 1", "for": "for a in a"}.get(kind, each[kind])
            if each.start(kind) + len(word) <= brace and "\n" not in text[each.start() : brace]:
                _put(left, each.start(kind) - start, word)
        at = brace + 1
    kept = text[:start] + "".join(left) + text[end:]
    if kept != text:
        return kept
    return text[:start] + re.sub("[^{}\n]", " ", text[start:end]) + text[end:]  # what was left is what is wrong


def _put(into: list[str], at: int, word: str) -> None:
    into[at : at + len(word)] = word


def unfinished(source: Source, text: str) -> Diagnostic:
    """The text ends too early: the innermost open bracket is to blame."""
    stack = _open(text, len(text))
    if stack:
        return unclosed(source, text, stack[-1])
    end = len(text.rstrip())
    return Diagnostic("E103", "the text ends too early", Span(source, max(0, end - 1), max(1, end)))


def unexpected(source: Source, text: str, at: int, expected: set[str]) -> Diagnostic:
    """Something stands where it cannot: what, and what could."""
    size = re.compile(r"\d+(?=x\w)").match(text, at)
    if size:
        whole = re.compile(r"\w+").match(text, at)
    if size and whole is not None and not re.fullmatch(r"\d+(x\d+)*", whole[0]):
        parts = ", ".join(whole[0].split("x"))
        help = f"a size is made of numbers; with names, write the list [{parts}]"
        return Diagnostic("E104", f"{whole[0]} is not a size", Span(source, at, whole.end()), help=help)
    found = re.compile(r"->|\.\.|[=!<>]=|\w+|[^\n]").match(text, at)
    if found is None or re.compile(r"[ \t\r]*(?:#[^\n]*)?(?:\n|$)").match(text, at):
        before = text[:at].rstrip()
        at = max(0, len(before) - 1)
        if before.endswith("->"):
            return Diagnostic("E105", "-> leads nowhere", Span(source, at - 1, at + 1), help="end the pipeline with a step")
        next_line = re.compile(r"\s*\{").match(text, at + 1) and "LBRACE" in expected
        mend = "its { stands on this line" if next_line else _after(before, expected)
        return Diagnostic("E103", "the line ends too early", Span(source, at, at + 1), help=mend)
    word, span = found[0], Span(source, at, found.end())
    if word in _CLOSES and (inside(text, at) == "" or (word != "}" and inside(text, at) == "{")):
        return Diagnostic("E101", f"`{word}` closes nothing", span)
    if word in "\"'":
        return Diagnostic("E106", "a quoted text ends on its line and uses double quotes", span)
    if word in RESERVED and "NAME" in expected:
        return Diagnostic("E107", f"{word} is a reserved word and cannot stand here", span, help=_wanted(expected))
    before = text[:at].rstrip(" \t")
    if word in "};\n" and before.endswith("->"):
        return Diagnostic(
            "E105", "-> leads nowhere", Span(source, len(before) - 2, len(before)), help="end the pipeline with a step"
        )
    if word == "#":
        word = "the end of the line"
    elif "__ANON_0" in expected and (word[0].isalpha() or word == "{"):
        return Diagnostic("E103", f"`{word}` begins a new step", span, help=f"steps on one line are joined by ->: … -> {word}")
    elif word in ("(", "->", "{") and {"COLON", "RBRACE"} <= expected and "__ANON_0" not in expected:
        return Diagnostic("E103", "a branch begins with its label", span, help="main: conv(8, 3x3); a value stands by its name")
    elif inside(text, at) == "" and word == "{":
        return Diagnostic("E103", "a { stands on the line of what it belongs to", span, help="model name {")
    elif inside(text, at) == "" and word[0].isalpha() and "RECIPE" in expected:
        near = nearest(word, ITEMS) or f"a file is made of {listed(ITEMS)}"
        return Diagnostic("E103", f"`{word}` cannot stand here", span, help=near)
    return Diagnostic("E103", f"`{word}` cannot stand here", span, help=_after(before, expected))


_AFTER = {
    ",": "two commas, or nothing before one", "*": "after * comes a number, a name, or an expression in parentheses",
    "->": "after -> comes a step", ":": "after : comes a shape such as 28x28x6", "=": "after = comes a value",
    "==": "after == comes a value", "(": "an argument is missing", "+": "after + comes a value", "-": "after - comes a value",
    "/": "after / comes a value", "..": "after .. comes a number", "|": "after | comes a word",
}  # fmt: skip


def _after(before: str, expected: set[str]) -> str | None:
    """What could have stood after the sign that stands before, or what else could."""
    sign = re.search(r"(->|\.\.|==|[-,*:=(+/|])\s*$", before)
    if sign and sign[1] == ":" and "SHAPE" not in expected:
        return "after : comes a step"
    return (_AFTER[sign[1]] if sign else None) or _wanted(expected)


_SIGNS = {
    "COLON": ":", "COMMA": ",", "EQUAL": "=", "LBRACE": "{", "RBRACE": "}", "LPAR": "(", "RPAR": ")", "LSQB": "[",
    "RSQB": "]", "NAME": "a name", "INT": "a number", "SHAPE": "a shape such as 28x28x6", "STRING": "a text in quotes",
    "_IN": "in", "_AS": "as", "__ANON_0": "->",
}  # fmt: skip


def _wanted(expected: set[str]) -> str | None:
    """A few words for what could have stood there, where they are few."""
    words = sorted(_SIGNS[x] for x in expected if x in _SIGNS)
    return f"here could stand {' or '.join(words)}" if 0 < len(words) <= 4 else None
