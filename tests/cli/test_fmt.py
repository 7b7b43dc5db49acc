"""`cnndsl fmt`: what it does to files, and what it leaves alone."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cnndsl.cli import fmt

UGLY = "model m{\ninput image:8x8x1\nconv( 3,3x3 )  # why\n}"
TIDY = "model m {\n    input image: 8x8x1\n    conv(3, 3x3)  # why\n}\n"
SHAPED = TIDY.replace("conv(3, 3x3)", "conv(3, 3x3) : 6x6x3")
BROKEN = "model m {\n    conv(\n}\n"


@pytest.fixture
def ugly(tmp_path: Path) -> Path:
    path = tmp_path / "ugly.cnn"
    path.write_text(UGLY)
    return path


def leftovers(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir() if p.name.startswith(".")]


def test_lays_out_in_place_and_says_so_once(cli: Any, ugly: Path) -> None:
    done = cli("fmt", "ugly.cnn")
    assert (done.code, done.out, done.err) == (0, "", "ugly.cnn: laid out\n")
    assert ugly.read_text() == TIDY
    before = ugly.stat().st_mtime_ns, ugly.stat().st_ino
    done = cli("fmt", "ugly.cnn")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert (ugly.stat().st_mtime_ns, ugly.stat().st_ino) == before
    assert leftovers(ugly.parent) == []


def test_check_changes_nothing(cli: Any, ugly: Path, tmp_path: Path) -> None:
    (tmp_path / "tidy.cnn").write_text(TIDY)
    done = cli("fmt", "--check", "ugly.cnn", "tidy.cnn")
    assert (done.code, done.out, done.err) == (1, "ugly.cnn\n", "")
    assert ugly.read_text() == UGLY
    assert cli("fmt", "--check", "tidy.cnn").code == 0


def test_diff_can_be_taken_by_patch(cli: Any, ugly: Path, tmp_path: Path) -> None:
    done = cli("fmt", "--diff", "ugly.cnn")
    assert done.code == 0
    assert done.out.startswith("--- ugly.cnn\n+++ ugly.cnn\n@@ ")
    assert "\n-conv( 3,3x3 )  # why\n" in done.out
    assert "\n+    conv(3, 3x3)  # why\n" in done.out
    assert "\n-}\n\\ No newline at end of file\n" in done.out
    assert ugly.read_text() == UGLY
    assert cli("fmt", "--diff", "--check", "ugly.cnn").code == 1
    assert cli("fmt", "ugly.cnn").code == 0
    done = cli("fmt", "--diff", "--check", "ugly.cnn")
    assert (done.code, done.out) == (0, "")


def test_shapes(cli: Any, ugly: Path) -> None:
    assert cli("fmt", "--shapes", "--check", "ugly.cnn").out == "ugly.cnn\n"
    assert cli("fmt", "--shapes", "ugly.cnn").code == 0
    assert ugly.read_text() == SHAPED
    assert cli("fmt", "--shapes", "--check", "ugly.cnn").code == 0
    assert cli("fmt", "--check", "ugly.cnn").code == 0
    assert cli("check", "ugly.cnn").code == 0


def test_shapes_of_a_model_with_errors(cli: Any, ugly: Path) -> None:
    ugly.write_text(UGLY.replace("conv( 3,3x3 )", "rellu"))
    done = cli("fmt", "--shapes", "ugly.cnn")
    assert done.code == 1
    assert "error[E203]" in done.err
    assert ugly.read_text() == TIDY.replace("conv(3, 3x3)", "rellu")


def test_a_broken_file_stays_and_the_others_are_laid_out(cli: Any, ugly: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.cnn").write_text(BROKEN)
    done = cli("fmt", "broken.cnn", "none.cnn", "ugly.cnn")
    assert done.code == 1
    assert "error[E101]: `(` is not closed\n  --> broken.cnn:2:9\n" in done.err
    assert "error[E505]: there is no file none.cnn" in done.err
    assert done.err.count("error[") == 2
    assert (tmp_path / "broken.cnn").read_text() == BROKEN
    assert ugly.read_text() == TIDY


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"model m { \xff }", "E108"), (b"model m {\x00}", "E102"), (b"#" * 600_000, "E901"), (b"#\n" * 11_000, "E902")],
)
def test_what_is_no_source_is_left_alone(cli: Any, tmp_path: Path, data: bytes, code: str) -> None:
    (tmp_path / "a.cnn").write_bytes(data)
    done = cli("fmt", "a.cnn")
    assert done.code == 1
    assert done.err.startswith(f"error[{code}]: ")
    assert done.err.count("error[") == 1
    assert (tmp_path / "a.cnn").read_bytes() == data


def test_marks_and_line_ends_of_other_systems(cli: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.cnn"
    path.write_bytes(b"\xef\xbb\xbf" + TIDY.replace("\n", "\r\n").encode())
    assert cli("fmt", "--check", "a.cnn").out == "a.cnn\n"
    assert cli("fmt", "--diff", "a.cnn").code == 0
    assert cli("fmt", "a.cnn").code == 0
    assert path.read_bytes() == TIDY.encode()


def test_a_long_line(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "a.cnn").write_text(f"# {'x' * 100_000}\nmodel m {{ {' -> '.join(['relu'] * 5_000)} }}")
    assert cli("fmt", "a.cnn").code == 0
    lines = (tmp_path / "a.cnn").read_text().splitlines()
    assert len(lines[0]) == 100_002
    assert max(map(len, lines[1:])) <= 120


def test_folders(cli: Any, ugly: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("model")
    done = cli("fmt", tmp_path, "empty")
    assert done.code == 1
    assert "error[E505]: empty is a folder without .cnn files" in done.err
    assert ugly.read_text() == TIDY
    assert (tmp_path / "notes.txt").read_text() == "model"


def test_links_stay_links_and_rights_stay(cli: Any, ugly: Path, tmp_path: Path) -> None:
    ugly.chmod(0o640)
    (tmp_path / "sub").mkdir()
    link = tmp_path / "sub" / "link.cnn"
    link.symlink_to("../ugly.cnn")
    assert cli("fmt", "sub/link.cnn").err == "sub/link.cnn: laid out\n"
    assert link.is_symlink()
    assert ugly.read_text() == TIDY
    assert ugly.stat().st_mode & 0o777 == 0o640
    link.unlink()
    link.symlink_to("link.cnn")
    done = cli("fmt", "sub/link.cnn")
    assert (done.code, done.err.count("error[E505]")) == (1, 1)


def test_a_read_only_file_is_not_written(cli: Any, ugly: Path) -> None:
    ugly.chmod(0o444)
    done = cli("fmt", "ugly.cnn")
    assert done.code == 1
    assert "error[E598]: ugly.cnn is read-only and stays as it is" in done.err
    assert ugly.read_text() == UGLY
    assert leftovers(ugly.parent) == []


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_text(cli: Any, ugly: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), full)
    done = cli("fmt", "ugly.cnn")
    assert done.code == 1
    assert done.err == "error[E598]: ugly.cnn cannot be written and stays as it is: no space left on device\n"
    assert ugly.read_text() == UGLY
    assert leftovers(ugly.parent) == []


def test_our_own_mistake_is_told_with_a_code_and_nothing_is_written(
    cli: Any, ugly: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cnndsl.language.format import layout

    good = layout.laid_out
    monkeypatch.setattr(layout, "laid_out", lambda lines: [x.replace("conv", "relu") for x in good(lines)])
    (tmp_path / "z.cnn").write_text("model z{relu(1)}")
    done = cli("fmt", "ugly.cnn", "z.cnn")
    assert done.code == 1
    assert "error[E799]: ugly.cnn laid out would not say the same" in done.err
    assert ugly.read_text() == UGLY
    assert (tmp_path / "z.cnn").read_text() == "model z { relu(1) }\n"


def read_from(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_standard_input(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read_from(monkeypatch, UGLY.encode())
    done = cli("fmt", "-")
    assert (done.code, done.out, done.err) == (0, TIDY, "")
    read_from(monkeypatch, UGLY.encode())
    assert cli("fmt", "-", "--shapes").out == SHAPED
    read_from(monkeypatch, UGLY.encode())
    done = cli("fmt", "-", "--check")
    assert (done.code, done.out) == (1, "<stdin>\n")
    read_from(monkeypatch, TIDY.encode())
    assert cli("fmt", "-", "--check").code == 0
    read_from(monkeypatch, BROKEN.encode())
    done = cli("fmt", "-")
    assert (done.code, done.out) == (1, "")
    assert "  --> <stdin>:2:9\n" in done.err
    read_from(monkeypatch, b"model m { \xff }")
    assert "error[E108]" in cli("fmt", "-").err
    read_from(monkeypatch, "ü".encode() * 300_000)
    assert cli("fmt", "-").err.startswith("error[E901]: <stdin>: a source has at most 512 KB")


def test_standard_input_uses_files_beside(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "b.cnn").write_text("block b { max_pool(2x2) }\n")
    text = 'use "b.cnn"\n\nmodel m {\n    input image: 8x8x1\n    b\n}\n'
    read_from(monkeypatch, text.encode())
    assert cli("fmt", "-", "--shapes").out == text.replace("    b\n", "    b : 4x4x1\n")


def test_umlauts_survive_any_locale(tmp_path: Path) -> None:
    root = Path(fmt.__file__).parents[2]
    words = [sys.executable, "-m", "cnndsl.cli.main", "fmt", "-"]
    env = {**os.environ, "PYTHONPATH": str(root), "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(words, input="# größer → schöner\n".encode(), capture_output=True, env=env, check=True)
    assert done.stdout.decode() == "# größer → schöner\n"


def test_a_terminal_is_not_steered(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.cnn").write_text("#\u202e\u009b2J\nmodel m{\n\trelu}\n")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    out = cli("fmt", "--diff", "a.cnn").out
    assert "\\u202e\\x9b2J" in out
    assert "\u202e" not in out


def test_usage(cli: Any) -> None:
    assert cli("fmt").code == 2
    assert "Usage: cnndsl fmt" in cli("fmt", "--help").out
    assert "fmt" in cli("--help").out


def test_what_new_and_import_write_is_laid_out(cli: Any) -> None:
    assert cli("new", "mine").code == 0
    for k, notation in enumerate(
        ("C-16-5-1-same,M-2-2,F,H-100,D-0.5", "CB-16-5-2-same,M-3-2,R-[C-16-3-1-same,C-16-3-1-same],F", "R-[R-[C-1-3-1-1]],F")
    ):
        assert cli("import", notation, "-o", f"net{k}.cnn").code == 0
    assert cli("fmt", "--check", ".").out == ""
    assert cli("fmt", "--shapes", "--check", "mine.cnn").code == 0
