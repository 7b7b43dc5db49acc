"""`fmt --shapes`: what it writes holds, a second time changes nothing, stale notes are put right, `_` stays `_`."""

from __future__ import annotations

import random
import re
import sys
from pathlib import Path

import pytest

from cnndsl.errors import CnnError, Source
from cnndsl.language.files import define, needs
from cnndsl.language.format import formatted, with_shapes
from cnndsl.language.load import check, load_text

sys.path.insert(0, str(Path(__file__).parent))
from shaped import network

MODELS = sorted((Path(__file__).parents[2] / "models").glob("*.cnn"))
NOTE = re.compile(r"(?<=\S)( +: +)([\dxA-Z_]+)$", re.MULTILINE)
NOTED = [p for p in MODELS if NOTE.search(p.read_text(encoding="utf-8"))]  # the others make instances of these
OTHERS = {"width": 5, "norm": True, "kind": "A", "depths": [2, 1], "classes": 7}


def shaped(text: str, folder: Path | None = None) -> str:
    found, errors = with_shapes(Source("test.cnn", text), folder)
    assert errors == []
    assert with_shapes(Source("test.cnn", found), folder) == (found, [])
    return found


def notes(text: str) -> list[str]:
    return [m[2] for m in NOTE.finditer(text)]


def body(*lines: str, head: str = "model m", input: str = "32x32x3") -> str:
    return f"{head} {{\n    input image: {input}\n{''.join(f'    {x}{chr(10)}' for x in lines)}}}\n"


# The bundled models -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", NOTED, ids=lambda p: p.stem)
def test_stale_notes_of_the_bundled_models_are_put_right(path: Path) -> None:
    text, draw = path.read_text(encoding="utf-8"), random.Random(path.stem)

    def stale(m: re.Match[str]) -> str:
        return m[1] + re.sub(r"\d+", lambda n: str(int(n[0]) + draw.randrange(3)), m[2])

    wrong = NOTE.sub(stale, text)
    assert wrong != text
    assert with_shapes(Source(str(path), wrong), path.parent) == (text, [])


@pytest.mark.parametrize("path", NOTED, ids=lambda p: p.stem)
def test_bundled_models_without_notes_get_those_that_say_something(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    bare = NOTE.sub("", text)
    found, errors = with_shapes(Source(str(path), bare), path.parent)
    assert errors == []
    assert NOTE.sub("", found) == bare
    written = [line for line in found.split("\n") if NOTE.search(line)]
    again = [line.split() for line in text.split("\n")]
    assert all(line.split() in again for line in written)  # none that the hand-written file does not have
    assert written


def test_lenet_gets_the_notes_of_the_paper() -> None:
    path = next(p for p in MODELS if p.stem == "lenet5")
    text = path.read_text(encoding="utf-8")
    assert shaped(NOTE.sub("", text)) == text


# Which lines, and what --------------------------------------------------------------------------------------------------


def test_a_line_that_makes_another_shape_is_noted() -> None:
    found = shaped(body("conv(8, 3x3)", "relu", "conv(8, 1x1)", "max_pool(2x2)", "flatten", "dense(100)", "dense(10)"))
    assert notes(found) == ["30x30x8", "15x15x8", "1800"]


def test_a_vector_that_says_its_size_is_not() -> None:
    assert notes(shaped(body("conv(8, 3x3)", "global_avg_pool"))) == ["30x30x8"]
    assert notes(shaped(body("conv(8, 3x3)", "flatten -> dense(10)"))) == ["30x30x8"]
    assert notes(shaped(body("conv(8, 3x3)", "global_avg_pool -> dense(9)"))) == ["30x30x8"]


def test_bodies_and_joins_over_several_lines_are_noted_where_they_end() -> None:
    found = shaped(body("concat {", "a: conv(8, 1x1)", "b: conv(4, 1x1)", "}", "{", "conv(5, 1x1)", "} * 2"))
    assert "    }     : 32x32x12\n" in found
    assert "    } * 2 :  32x32x5\n" in found


def test_a_line_that_goes_on_is_left_alone() -> None:
    assert notes(shaped(body("conv(8, 1x1); relu"))) == []
    assert notes(shaped("model m { input image: 32x32x3; conv(8, 1x1) }")) == []
    assert shaped(body("conv(8, 1x1) # why")).count(": 32x32x8  # why\n") == 1


def test_a_size_that_depends_on_a_parameter_is_not_fixed() -> None:
    found = shaped(body("conv(width, 1x1)", "conv(3 * width, 1x1) -> max_pool(2x2)", head="model m(width = 8)"))
    assert notes(found) == ["32x32x_", "16x16x_"]
    for head, line, note in (
        ("model m(deep = [1, 2])", "conv(len(deep), 1x1)", "32x32x_"),
        ("model m(deep = [1, 2])", "conv(deep[1], 1x1) * deep[0]", "32x32x_"),
        ("model m(wide = false)", "if wide { relu }\n    conv(4, 1x1)", "32x32x4"),
        ("model m(scale = 1.5)", "conv(round(scale * 8), 3x3, stride = 2)", "15x15x_"),
    ):
        assert notes(shaped(body(line, head=head))) == [note]


def test_a_word_that_changes_a_size_leaves_it_open() -> None:
    block = "block b(kind = A | B) { if kind == A { conv(8, 1x1) } else { conv(9, 3x3) } }\n"
    assert notes(shaped(block + body("b(kind)", head="model m(kind = A | B)"))) == []  # all three sizes depend on it


def test_a_size_that_depends_on_a_parameter_in_one_model_only_is_not_fixed() -> None:
    lines = ("conv(8, 1x1)", "if kind == A { conv(width, 1x1) }", "max_pool(2x2)")
    text = body(*lines, head="model m(width = 8, kind = B | A)")
    assert notes(shaped(text + "model n = m(width = 12)\n")) == ["32x32x8", "16x16x_"]
    assert notes(shaped("model n = m(width = 12)\n" + text)) == ["32x32x8", "16x16x_"]


def test_a_template_has_what_its_instances_agree_on() -> None:
    text = body("conv(width, size) : 1x1x1", "conv(3, 1x1)", head="model m(width, size)")
    assert notes(shaped(text)) == ["1x1x1"]  # nobody has made one
    one = "model a = m(width = 8, size = 3x3)\n"
    assert notes(shaped(text + one)) == ["30x30x8", "_x_x3"]
    two = one + "model b = m(width = 9, size = 3x5)\n"
    assert notes(shaped(text + two)) == ["30x_x_", "_x_x3"]
    three = two + "model c = m(width = 9, size = [3])\n"
    found, errors = with_shapes(Source("test.cnn", text + three), None)
    assert [e.code for e in errors] == ["E304"]
    assert notes(found) == ["30x_x_", "_x_x3"]  # of those that can be built


def test_underscores_stay_and_stale_sizes_go() -> None:
    text = body("conv(8, 1x1) : _x33x_", "relu : _x_x_", "conv(9, 3x3) : 30x_x8", "flatten : _", "dense(10) : 11")
    assert notes(shaped(text)) == ["_x32x_", "_x_x_", "30x_x9", "_", "10"]


def test_a_note_of_another_rank_is_written_anew() -> None:
    assert notes(shaped(body("conv(8, 1x1) : 99", "flatten : 4x4x_"))) == ["32x32x8", "8192"]


def test_computed_sizes_stay_where_they_hold() -> None:
    lines = ("conv(n, 1x1) : [32, 32, n]", "max_pool(2x2) : [32, _, 2 * n - n]", "conv(7, 1x1) : [16, 16, n]")
    found = shaped(body(*lines, head="model m(n = 8)"))
    assert re.findall(r": +(.*)\n", found)[1:] == ["[32, 32, n]", "[16, _, 2 * n - n]", "16x16x7"]


def test_symbols() -> None:
    text = body("conv(8, 1x1)", "max_pool(2x2)", "upsample(2)", input="HxWx3 where H % 2 == 0, W % 2 == 0")
    assert notes(shaped(text)) == ["HxWx8", "_x_x8", "HxWx8"]
    text = body("conv(8, 1x1)", "block W { relu }", input="HxWx3")
    assert notes(shaped(text)) == ["Hx_x8"]  # W means something else here


def test_notes_within_lines_branches_heads_and_conditions() -> None:
    text = body(
        "conv(8, 3x3) : 1x1x1 -> conv(9, 3x3)",
        "if true { max_pool(2x2) : 1 }",
        "head aux { conv(4, 1x1) : 5x5x5 -> flatten }",
        "concat { a: conv(2, 1x1) : 2x2x2; b: identity }",
        "for n in [4, 4] { conv(n, 1x1) : 3x3x3 }",
        "for n in [4, 5] { conv(n, 1x1) : 3x3x3 }",
    )
    found = shaped(text)
    wanted = ["30x30x8", "14x14x9", "14x14x4", "14x14x2", "14x14x11", "14x14x4", "14x14x_"]
    assert re.findall(r" : ([\dx_]+)", found) == wanted


def test_notes_of_blocks_are_put_right_and_no_new_ones_written() -> None:
    text = "block b(n) {\n    conv(n, 1x1) : 32x32x7\n    relu\n    conv(3, 3x3)\n    max_pool(2x2) : 15x15x_\n}\n"
    found = shaped(text + body("b(8)"))
    assert notes(found) == ["32x32x8", "15x15x_", "15x15x3"]
    assert notes(shaped(text + body("b(8)", "b(9)").replace("15x15x3", ""))) == ["_x_x_", "_x_x_", "15x15x3", "6x6x3"]


def test_files_that_are_used_stay_as_they_are(tmp_path: Path) -> None:
    other = tmp_path / "other.cnn"
    other.write_text(body("conv(8, 3x3) : 1x1x1", head="model o"), encoding="utf-8")
    text = 'use "other.cnn"\n\nmodel p = o()\n\n' + body("conv(8, 3x3)")
    assert shaped(text, tmp_path) == text.replace("conv(8, 3x3)", "conv(8, 3x3) : 30x30x8")


def test_a_model_with_errors_keeps_its_notes() -> None:
    good, bad = body("conv(8, 3x3)", head="model a"), body("conv(8, 3x3) : 1x1x1", "rellu", head="model b")
    found, errors = with_shapes(Source("test.cnn", good + bad), None)
    assert [e.code for e in errors] == ["E203"]
    assert notes(found) == ["30x30x8", "1x1x1"]


def test_a_file_without_models_is_only_laid_out() -> None:
    for text in ("", "# only a comment\n", "block b(n){conv(n,3x3):1x1x1}", "train{epochs=2}"):
        assert shaped(text) == formatted(Source("test.cnn", text))


def test_what_cannot_be_parsed_is_refused() -> None:
    with pytest.raises(CnnError) as caught:
        with_shapes(Source("test.cnn", "model m {\n    conv(\n}"), None)
    assert caught.value.code == "E101"


# Random networks --------------------------------------------------------------------------------------------------------


def run(seed: int, count: int) -> int:
    """`count` random networks, half of them with stale notes; how many notes they have in the end."""
    written = 0
    for k in range(count):
        where = (seed, k)
        text = network(random.Random(seed * 1_000_000 + k), notes=bool(k % 2))
        found = shaped(text)
        ready = [n for n, (m, _) in define(Source("test.cnn", found), None).models.items() if not needs(m)]
        assert ready, where
        for name in ready:
            load_text(found, model=name)
            if not k % 2:  # notes that nobody asked for must not keep arguments out
                for key, value in OTHERS.items():
                    load_text(found, model=name, **{key: value})
        written += len(notes(found))
    return written


def test_random_networks() -> None:
    assert run(0, 60) > 150


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(1, 11))
def test_two_thousand_random_networks(seed: int) -> None:
    print(f"seed {seed}: 200 networks, {run(seed, 200)} notes")


def test_a_checked_file_is_checked_still(tmp_path: Path) -> None:
    path = tmp_path / "m.cnn"
    path.write_text(shaped(network(random.Random(3), notes=True)), encoding="utf-8")
    assert [d for d in check(path) if d.severity == "error"] == []
