"""The pages of the codes: one for each, and every example does what it says."""

from __future__ import annotations

import pytest

from cnndsl.errors import CODES, CnnError
from cnndsl.language.load import load_text
from cnndsl.language.pages import Page, as_markdown, families, page

PAGES = [p for family in families() for p in family.pages]
NOT_OF_TEXT = {
    # how a file is stored and found, and which model of it is meant
    "E102", "E108", "E202", "E505", "E506",
    # the Python API; `.cnn` text is refused earlier, with another code
    "E301", "E305", "E309",
    # limits whose example would be longer than a page
    "E901", "E902", "E903", "E904",
    # a training of few steps, a run of another text
    "W412", "W414",
}  # fmt: skip


def said(text: str) -> set[str]:
    """The codes of a text: its errors, or its warnings."""
    try:
        return {d.code for d in load_text(text).warnings}
    except CnnError as e:
        return {d.code for d in e.diagnostics}


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    assert [p.code for p in PAGES] == sorted(CODES)
    assert [p.title for p in PAGES] == [CODES[p.code] for p in PAGES]


@pytest.mark.parametrize("one", PAGES, ids=lambda p: p.code)
def test_a_page_explains(one: Page) -> None:
    assert len(one.text) > 40
    assert "```" not in one.text
    of_text = one.code < "E42" or one.code[:2] in ("E9", "W4") or one.code == "E602"
    if of_text and one.code not in NOT_OF_TEXT | {"E990"}:
        assert one.wrong


@pytest.mark.parametrize("one", [p for p in PAGES if p.wrong], ids=lambda p: p.code)
def test_the_wrong_example_raises_exactly_its_code(one: Page) -> None:
    assert said(one.wrong) == {one.code}


@pytest.mark.parametrize("one", [p for p in PAGES if p.right], ids=lambda p: p.code)
def test_the_right_example_is_clean(one: Page) -> None:
    assert said(one.right) == set()


def test_a_code_is_found_however_it_is_written() -> None:
    assert page("e312") is page("312") is page("E312")
    with pytest.raises(CnnError, match="did you mean E31"):
        page("E31")


def test_the_documentation_holds_every_page() -> None:
    text = as_markdown()
    assert all(f"### {code}: " in text for code in CODES)
