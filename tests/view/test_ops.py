"""What the language offers, as `ops` and `explain` tell it: every word, every option, nothing made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cnndsl.graph.fields import hints_of
from cnndsl.language.load import load_text
from cnndsl.language.vocabulary import OPTIMIZERS, STEPS
from cnndsl.view import ops, recipe_words

WORDS = ops.word_ops()


def test_every_op_is_told_in_a_line_of_its_own() -> None:
    lines = ops.catalogue().split("\n")
    assert [line.split()[0] for line in lines] == [op.name for op in WORDS]
    told = [ops.about(op) for op in WORDS]
    assert all(told) and len(set(told)) == len(told)
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("op", WORDS, ids=lambda op: op.name)
def test_every_option_says_what_it_may_be(op: Any) -> None:
    page = ops.page(op.name)
    for field in op.fields():
        assert ops.form(op, field), field.name
        (line,) = [x for x in page.split("\n") if x.startswith(f"    {field.name} ")]
        assert all(w in line for w in op.words.get(field.name, ()) if w.isidentifier())
        assert ("needed" in line) == (field.default is ops.MISSING)
    assert hints_of(op.attrs).keys() == {f.name for f in op.fields()}


def test_a_page_is_made_of_the_record() -> None:
    page = ops.page("conv").split("\n")
    assert page[0] == "conv: cross-correlation over all input channels, in 1, 2 or 3 dimensions"
    assert page[2].startswith("    conv(filters, kernel, stride = 1, pad = valid, ")
    assert "    stride    1          a whole number, or a list with one for each axis" in page
    assert page[-1].endswith("Krizhevsky et al. 2012 (groups).")


@pytest.mark.parametrize("step", ["conv(2, 3x3, stride = 1, pad = valid)", "max_pool(2x2)", "crop(2x2)", "take(0..1)"])
def test_options_can_be_written_as_the_pages_say(step: str) -> None:
    net = load_text(f"model m {{\n    input image: 8x8x4\n    {step}\n}}\n")
    assert net.graph.outputs["output"].type.rank == 4


def test_the_table_of_the_documentation_is_the_records(cli: Any, request: pytest.FixtureRequest) -> None:
    page = Path(__file__).parents[2] / "docs" / "ops.md"
    text, table = page.read_text(encoding="utf-8"), cli("ops", "--markdown").out
    start = text.index("| op | what it is |")
    end = text.index("\n\n", start) + 1
    if request.config.getoption("--update-golden"):
        page.write_text(text[:start] + table + text[end:], encoding="utf-8")
        return
    assert text[start:end] == table, "docs/ops.md is stale: pytest --update-golden tests/view/test_ops.py"


def test_words_of_recipes() -> None:
    (page,) = recipe_words.pages("sgd")
    assert page.startswith("sgd: an optimizer, in optimizer = …\n")
    assert all(f"    {option} " in page for option in OPTIMIZERS["sgd"])
    assert "rate          needed  a number from 0" in page
    assert [p.split("\n")[0] for p in recipe_words.pages("crop")] == [
        "crop: a step for images, in augment, preprocess and eval"
    ]
    refused = [w for w in STEPS if "cannot be carried out yet" in recipe_words.pages(w)[0]]
    assert refused == []
    assert recipe_words.pages("conv") == []


def test_optimizers_say_what_holds_otherwise_and_views_are_carried_out() -> None:
    from cnndsl.view.recipe_words import pages

    (adam,) = pages("adam")
    assert "beta1" in adam and "else 0.9" in adam and "else 1e-08" in adam
    for word in ("ten_crop", "squares", "fully_convolutional", "cutout", "noise", "meshgrid"):
        assert all("cannot be carried out" not in page for page in pages(word))


def test_every_key_of_every_recipe_is_explained() -> None:
    for recipe, keys in recipe_words.RECIPES.items():
        (page,) = recipe_words.pages(recipe)
        for key in keys:
            assert f"    {key}" in page
            assert any(f"{key}: an entry of " in p and f"{key} = " in p for p in recipe_words.pages(key))
            assert key in recipe_words.known()
    assert "global_norm" in recipe_words.pages("clip")[-1]
