"""The parser's tables: those of the grammar, the same for everyone, and nothing of a user's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cnndsl.errors import Source
from cnndsl.language.bundled import bundled, grammar
from cnndsl.language.syntax import parse
from cnndsl.language.syntax import tables as kept
from cnndsl.language.syntax.tables import FILE, digest

TEXT = (bundled("models") / "resnet.cnn").read_text(encoding="utf-8")
MAKE = (
    "import sys; from cnndsl.language.bundled import grammar; from cnndsl.language.syntax.generate import generate, written;"
    "from cnndsl.language.syntax.tables import digest; t = grammar();"
    "sys.stdout.write(written({'grammar': digest(t), **generate(t)}))"
)


@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_the_tables_are_those_of_the_grammar(seed: str) -> None:
    """Whatever the order of hashes: `python -m cnndsl.language.syntax.generate` writes them after a change of the grammar."""
    words, root = [sys.executable, "-c", MAKE], Path(__file__).parents[2]
    made = subprocess.run(words, env={"PYTHONHASHSEED": seed}, cwd=root, capture_output=True, text=True, check=True)
    assert made.stdout == (bundled("grammars") / FILE).read_text(encoding="utf-8")


def test_the_tables_are_ready() -> None:
    assert kept.tables()["grammar"] == digest(grammar())


def test_nothing_of_a_users_is_read_or_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of other rules would give a model another meaning."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    code = "import sys; from cnndsl import load; load('lenet5'); assert 'lark' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
    assert not list(tmp_path.iterdir())


def test_the_tables_of_another_grammar_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    before = parse.parse(Source("resnet.cnn", TEXT))
    monkeypatch.setattr(kept, "grammar", lambda: f"{grammar()}\n// changed\n")
    assert "grammar" not in kept.tables()
    monkeypatch.setattr(parse, "_machine", parse._machine.__wrapped__)
    assert parse.parse(Source("resnet.cnn", TEXT)) == before


def test_generate_writes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cnndsl.language.syntax import generate

    (tmp_path / "cnn.lark").write_text(grammar(), encoding="utf-8")
    monkeypatch.setattr("cnndsl.language.bundled.bundled", lambda folder: tmp_path)
    generate.main()
    assert (tmp_path / FILE).read_bytes() == (Path(__file__).parents[2] / "grammars" / FILE).read_bytes()
