"""The page of each code: what it means, an example that raises it, one that does not, and how to mend.

Pages are Markdown in `messages/`, one file for each family of codes, a section for each code. Examples stand in fences
marked `wrong` and `right`; a test checks every one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cnndsl.errors import CODES, error
from cnndsl.language.spelling import nearest

FOLDER = Path(__file__).parent / "messages"
_FENCE = re.compile(r"^```(wrong|right)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Page:
    """One code. text: what it means and how to mend; wrong, right: example files, empty where text cannot raise it."""

    code: str
    title: str
    text: str
    wrong: str = ""
    right: str = ""


@dataclass(frozen=True)
class Family:
    """Codes of one stage, with a sentence or two about it."""

    title: str
    text: str
    pages: tuple[Page, ...]


@cache
def families() -> tuple[Family, ...]:
    """Every page, in the order of the codes."""
    found = []
    for path in sorted(FOLDER.glob("*.md")):
        head, *sections = re.split(r"^## ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        title, _, text = head.strip().partition("\n")
        found.append(Family(title.lstrip("# "), text.strip(), tuple(map(_page, sections))))
    return tuple(found)


def _page(section: str) -> Page:
    code, _, rest = section.partition("\n")
    examples = dict(_FENCE.findall(rest))
    text = _FENCE.sub("", rest).strip()
    return Page(code.strip(), CODES[code.strip()], text, examples.get("wrong", ""), examples.get("right", ""))


def page(code: str) -> Page:
    """The page of a code, however it is written (`e312`, `312`). Raises E770 with the nearest one."""
    wanted = code.strip().upper()
    known = {p.code: p for family in families() for p in family.pages}
    for candidate in (wanted, f"E{wanted}", f"W{wanted}"):
        if candidate in known:
            return known[candidate]
    help = nearest(wanted, known) or "cnndsl explain lists them all"
    raise error("E770", f"there is no code {code}", help=help)


def as_markdown() -> str:
    """All pages for the documentation."""
    out = []
    for family in families():
        out += [f"## {family.title}", family.text]
        for p in family.pages:
            out += [f"### {p.code}: {p.title}", p.text]
            if p.wrong:
                out.append(f"Wrong:\n\n```\n{p.wrong}```")
            if p.right:
                out.append(f"Right:\n\n```\n{p.right}```")
    return "\n\n".join(out)
