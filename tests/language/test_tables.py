"""The parser's kept tables: the same trees with them, without them, and with broken ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnndsl.errors import Source
from cnndsl.language.bundled import bundled
from cnndsl.language.syntax import parse, tables

TEXT = (bundled("models") / "resnet.cnn").read_text(encoding="utf-8")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(parse, "_machine", parse._machine.__wrapped__)
    return tmp_path / "cnndsl"


def test_kept_tables_give_the_same_tree(cache: Path) -> None:
    made = parse.parse(Source("resnet.cnn", TEXT))
    (kept,) = cache.iterdir()
    assert tables.read(kept) is not None
    assert parse.parse(Source("resnet.cnn", TEXT)) == made


PARTS = '{"terminals": %s, "ignored": [], "rules": [["start", 1]], "states": [{"NAME": %s}], "starts": {"start": [0, 0]}}'
CONTENTS = ["", "{", "[]", "{}", PARTS % ("1", "0"), PARTS % ('[["A", "("]]', "0"), PARTS % ("[]", "7"), PARTS % ("[]", "[]")]


@pytest.mark.parametrize("content", CONTENTS)
def test_broken_tables_are_made_again(cache: Path, content: str) -> None:
    made = parse.parse(Source("resnet.cnn", TEXT))
    (kept,) = cache.iterdir()
    kept.write_text(content, encoding="utf-8")
    assert parse.parse(Source("resnet.cnn", TEXT)) == made


def test_a_folder_that_cannot_be_written_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(parse, "_machine", parse._machine.__wrapped__)
    assert parse.parse(Source("small.cnn", "model m { input image: 8x8x1\n relu }")).items
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
