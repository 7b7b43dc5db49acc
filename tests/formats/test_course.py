"""The course's one-line notation: what it becomes, and what is told where it is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cnndsl.errors import CnnError
from cnndsl.formats.course import import_course
from cnndsl.graph.equality import equal
from cnndsl.language.load import load, load_text

LINE = "CB-16-5-2-same,M-3-2,R-[C-16-3-1-same,C-16-3-1-same],F,H-100,D-0.5"


def test_the_lecture_line_is_the_bundled_network() -> None:
    ours, bundled = load_text(import_course(LINE)), load("course")
    assert ours.parameter_count == bundled.parameter_count == 63_782
    assert ours.multiply_adds == bundled.multiply_adds
    assert [n.op.name for n in ours.graph.nodes] == [n.op.name for n in bundled.graph.nodes]
    assert ours.train is not None
    assert ours.train.data == "digits"
    assert not ours.warnings


def test_spaces_and_small_letters_do_not_matter() -> None:
    a, b = load_text(import_course(LINE)), load_text(import_course(LINE.replace(",", " ,  ").lower().replace("r-[", "R-[")))
    assert equal(a.graph, b.graph)


def test_every_letter() -> None:
    text = import_course(
        "C-4-3-1-1,A-2-2,R-[CB-4-1-1-valid,R-[C-4-1-1-0]],M-3-2,F,D-.25,H-7,H-7", input="30x20x3", classes=3, name="x"
    )
    net = load_text(text)
    assert net.name == "x"
    assert net.output_shape == (3,)
    words = [n.op.name for n in net.graph.nodes if n.op.name not in ("state", "input", "identity")]
    assert words == [
        "conv", "relu", "avg_pool", "conv", "batch_norm", "relu", "conv", "relu", "add", "add", "max_pool", "flatten",
        "dropout", "dense", "relu", "dense", "relu", "dense", "softmax",
    ]  # fmt: skip
    assert "data" not in text


@pytest.mark.parametrize(
    ("line", "code", "column", "says"),
    [
        ("", "E110", 1, "ends where an item is expected"),
        ("C-16", "E206", 1, "C takes 4 numbers"),
        ("C-16-5-1-same,,F", "E103", 15, "before the comma"),
        ("F,X-3", "E203", 3, "no layer X"),
        ("F,R-[C-1-1-1-same", "E104", 3, "does not end"),
        ("R-C", "E103", 1, "followed by a list"),
        ("R-[]", "E103", 4, "an item is missing here"),
        ("C-16-5-1-same M-2-2", "E103", 15, "a comma is missing"),
        ("M-2-2]", "E104", 6, "no partner"),
        ("[F]", "E104", 1, "no partner"),
        ("C-16-5-1-same-", "E103", 1, "missing after the dash"),
        ("D-1.5", "E303", 1, "from 0 to below 1"),
        ("C-0-5-1-same", "E303", 1, "the filters of C"),
        ("C-16-5-1-samee", "E303", 1, "the padding of C"),
        ("F,\x1b[2J", "E103", 3, "not understood here"),
        ("R-[" * 30 + "F" + "]" * 30, "E103", 61, "followed by a list"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(line: str, code: str, column: int, says: str) -> None:
    with pytest.raises(CnnError, match=says) as caught:
        import_course(line)
    (found,) = caught.value.diagnostics
    assert found.code == code
    assert found.span is not None
    assert found.span.column == column
    assert "\x1b" not in str(caught.value)


def test_what_is_no_network_is_not_written(cli: Any, tmp_path: Path) -> None:
    done = cli("import", "H-10", "-o", "net.cnn")
    assert (done.code, (tmp_path / "net.cnn").exists()) == (1, False)
    assert "error[E3" in done.err
    done = cli("import", LINE, "-o", "net.cnn")
    assert done.code == 0
    assert cli("check", "net.cnn").out == "net.cnn: ok\n"
    assert "is there already" in cli("import", LINE, "-o", "net.cnn").err
    for wrong in (("--input", "28by28"), ("--name", "a b")):
        assert "error[E" in cli("import", LINE, *wrong).err
