"""Curves as text: every row as wide as asked for, lines where their points are."""

from __future__ import annotations

import pytest

from cnndsl.cli.text_plot import MARGIN, Size, text_plot
from cnndsl.view.curves import Line

FALL = Line("", False, [(1, 100.0), (2, 10.0), (3, 1.0)])


def plain(lines: list[Line], what: str = "loss", size: Size = Size(MARGIN + 10, 7), braille: bool = False) -> list[str]:
    return [row.plain for row in text_plot(what, lines, size, braille)]


def test_a_loss_falls_along_an_axis_of_powers() -> None:
    assert plain([FALL]) == [
        "   loss * training",
        "    100 **        ",
        "          **      ",
        "            **    ",
        "              **  ",
        "      1         **",
        "        1  epoch 3",
    ]


def test_zero_is_drawn_on_a_plain_axis() -> None:
    rows = plain([Line("", False, [(1, 4.0), (2, 0.0)])])
    assert rows[1].startswith("      4 *") and rows[5].startswith("      0 ") and rows[5].endswith("*")


def test_lines_are_told_apart() -> None:
    rows = plain([FALL, Line("a", True, [(1, 1.0), (3, 100.0)])], size=Size(MARGIN + 30, 7))
    assert "* training" in rows[0] and "+ a validation" in rows[0]
    assert rows[1].endswith("+") and rows[5].endswith("*")
    styles = {str(span.style) for row in text_plot("loss", [FALL, FALL], Size(40, 8)) for span in row.spans}
    assert {"cyan", "green"} <= styles


def test_braille_is_finer() -> None:
    rows = plain([FALL], braille=True)
    assert len(rows) == 7
    cells = [row[MARGIN:] for row in rows[1:6]]
    assert all(x == " " or 0x2800 < ord(x) < 0x2900 for row in cells for x in row)
    assert cells[0][0] != " " and cells[4][9] != " "
    assert all(len(row) == MARGIN + 10 for row in rows[1:6])


@pytest.mark.parametrize("points", [[], [(1, 0.5)], [(1, 0.5), (2, 0.5)], [(1, 0.0)], [(1, -1e29), (2, 1e29)]])
@pytest.mark.parametrize("braille", [True, False])
def test_little_to_draw(points: list[tuple[float, float]], braille: bool) -> None:
    rows = plain([Line("", False, points)], "accuracy in %", Size(30, 6), braille)
    assert len(rows) == 6
    assert all(len(row) == 30 for row in rows[1:5])
    assert any(row[MARGIN:].strip() for row in rows[1:5]) == bool(points)


def test_a_name_of_a_run_moves_no_cursor() -> None:
    (heading, *_) = plain([Line("a\x1b[2J", False, [(1, 1.0)])])
    assert "\x1b" not in heading


def test_names_stay_whole_and_on_their_own_rows() -> None:
    runs = ["a network with shortcuts", "plain", "数" * 30]
    lines = [Line(run, held, [(1, 2.0), (2, 1.0)]) for run in runs for held in (False, True)]
    for what in ("loss", "accuracy in %"):
        rows = text_plot(what, lines, Size(50, 14), braille=False)
        assert all(row.cell_len <= 50 for row in rows)
        legend = [row.plain for row in rows[: len(rows) - 9]] if what == "loss" else [row.plain for row in rows]
        for sign, name in zip("*+xo", ("a network with shortcuts training", "a network with shortcuts validation",
                                       "plain training", "plain validation"), strict=True):  # fmt: skip
            assert sum(f"{sign} {name}" in row for row in legend) == 1, legend
        assert sum("…" in row and row.endswith(" validation") for row in legend) == 1
    assert len(plain(lines, size=Size(50, 14))) == 14
    assert len(plain(lines * 2, size=Size(30, 8))) > 8  # what is left of the plot can still be read
