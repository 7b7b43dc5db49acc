"""The pages as a plain viewer shows them: every link has a text and leads somewhere, and the first page lists all of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(x for x in (ROOT / "docs").rglob("*.md") if "_build" not in x.parts)]
LINK = re.compile(r"(?<!!)\[([^\[\]\n]*)\]\(([^()\s]+)\)")
FENCE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[tuple[str, str]]:
    return LINK.findall(FENCE.sub("`…`", page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_links_have_a_text_and_lead_somewhere(page: Path) -> None:
    for text, target in links(page):
        assert text.strip(), f"{page.name}: a link to {target} without a text"
        path = target.partition("#")[0]
        if path and "://" not in target:
            assert (page.parent / path).exists(), f"{page.name}: {target}"


def test_the_first_page_lists_every_page() -> None:
    index = ROOT / "docs" / "index.md"
    listed = [target for _, target in links(index)]
    pages = [x.relative_to(ROOT / "docs").as_posix() for x in PAGES if x.is_relative_to(ROOT / "docs") and x != index]
    assert sorted(listed) == sorted(pages)
    text = index.read_text(encoding="utf-8")
    trees = re.findall(r"```\{toctree\}\n:hidden:\n(?::caption: [^\n]*\n)?\n(.*?)\n```", text, re.DOTALL)
    assert [f"{name}.md" for tree in trees for name in tree.split("\n")] == listed
