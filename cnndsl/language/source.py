"""Reading a `.cnn` file: a stranger's bytes become a `Source`, or one clear error."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from cnndsl.errors import CnnError, Source, Span, error

LARGEST = 512 * 1024
MOST_LINES = 10_000
MOST_TOKENS = 100_000
DEEPEST = 100

_SKIPPED = re.compile(r'"[^"\n]*"|#[^\n]*')
_TOKEN = re.compile(r"\w+|[^\w\s]")


def read_source(path: str | os.PathLike[str]) -> Source:
    """The text of `path`. Raises E101 (cannot be read), E102 (no UTF-8 text), E901 (too large)."""
    shown = os.fspath(path)
    try:
        kind = os.stat(shown).st_mode
        if not stat.S_ISREG(kind):
            what = "a folder" if stat.S_ISDIR(kind) else "not a regular file"
            raise error("E101", f"{shown} is {what}; a .cnn file is expected")
        with open(shown, "rb") as file:
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise error("E101", f"there is no file {shown}") from None
    except (OSError, ValueError) as e:
        raise error("E101", f"{shown} cannot be read: {getattr(e, 'strerror', None) or e}") from None
    return source_of(data, Path(shown).as_posix())


def source_of(data: bytes, name: str) -> Source:
    if len(data) > LARGEST:
        raise error("E901", f"{name} is larger than {LARGEST // 1024} KB")
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as e:
        line = data.count(b"\n", 0, e.start) + 1
        raise error("E102", f"{name} is not UTF-8 text: byte {data[e.start]:#04x} in line {line}",
                    help="save the file as UTF-8") from None  # fmt: skip
    source = Source(name, text.replace("\r\n", "\n"))
    check(source)
    return source


def check(source: Source) -> None:
    """The limits that hold before a tree is built. Raises E102, E901, E902, each at its place."""
    text = source.text
    if len(text) > LARGEST:
        raise error("E901", f"{source.name} is larger than {LARGEST // 1024} KB")
    bad = next((i for i, c in enumerate(text) if c < " " and c not in "\n\t\r"), None)
    if bad is not None:
        raise error("E102", f"a control character (code {ord(text[bad])}) stands in the text", Span(source, bad, bad + 1))
    lines = text.count("\n") + 1
    if lines > MOST_LINES:
        raise error("E901", f"{source.name} has {lines} lines; at most {MOST_LINES} are read")
    plain = blank(text)
    if sum(1 for _ in _TOKEN.finditer(plain)) > MOST_TOKENS:
        raise error("E901", f"{source.name} has more than {MOST_TOKENS} words and signs")
    depth = 0
    for match in re.finditer(r"[(\[{}\])]", plain):
        depth += 1 if match[0] in "([{" else -1
        if depth > DEEPEST:
            raise error("E902", f"brackets are nested more than {DEEPEST} deep", Span(source, match.start(), match.end()))
        depth = max(depth, 0)


def blank(text: str) -> str:
    """`text` with strings and comments turned into spaces, every other character in its place."""
    return _SKIPPED.sub(lambda m: " " * len(m[0]), text)


__all__ = ["CnnError", "blank", "check", "read_source", "source_of"]
