"""Where a network comes from: the first comment of its file, `# Name. Authors: Title of the paper, year.`"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PAPER = re.compile(r"(?P<family>.+?)\. (?P<authors>[^:]+): (?P<title>.+?), (?P<year>(?:19|20)\d\d)\b")
_COMMENT = re.compile(r"(?:^#.*\n?)+", re.MULTILINE)


@dataclass(frozen=True)
class Paper:
    """family: the name of the networks of the file. The rest is empty where the comment names no paper."""

    family: str
    authors: str = ""
    title: str = ""
    year: int | None = None


def paper_of(text: str) -> Paper:
    """What the first comment of a `.cnn` file says."""
    comment = _COMMENT.match(text.lstrip("\ufeff\n"))
    words = " ".join(line.lstrip("# ").strip() for line in comment[0].splitlines()) if comment else ""
    found = _PAPER.match(words)
    if found is None:
        return Paper(words.partition(". ")[0].rstrip(".:") or "no name")
    return Paper(found["family"], found["authors"], found["title"], int(found["year"]))
