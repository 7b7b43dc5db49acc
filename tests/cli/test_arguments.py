"""key=value: what is an argument, what is a file, what is refused."""

from pathlib import Path

import pytest

from cnndsl.cli.arguments import Pairs, pairs, split
from cnndsl.errors import CnnError


def test_model_and_recipe_are_told_apart() -> None:
    found = pairs(["classes=26", "train.epochs=2", "train.seed=7", "unit=bottleneck(stride_in = first)"])
    assert found.model == {"classes": "26", "unit": "bottleneck(stride_in = first)"}
    assert found.recipe == {"train": {"epochs": "2", "seed": "7"}}


@pytest.mark.parametrize("word", ["classes", "=3", "a b=3", "1x=2", ".x=1", "a.=1", ""])
def test_what_is_no_pair_is_refused(word: str) -> None:
    with pytest.raises(CnnError) as e:
        pairs([word])
    assert e.value.code == "E770"
    assert "not key=value" in str(e.value)


def test_a_key_twice_is_refused() -> None:
    with pytest.raises(CnnError, match="classes is given twice"):
        pairs(["classes=1", "classes=2"])
    with pytest.raises(CnnError, match=r"train\.seed is given twice"):
        pairs(["train.seed=1", "train.seed=1"])


def test_a_value_may_hold_an_equals_sign() -> None:
    assert pairs(["unit=basic(stride=2)"]).model == {"unit": "basic(stride=2)"}


def test_what_exists_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a=b").touch()
    assert split(["a=b", "c=d", "e.png"]) == (["a=b", "e.png"], Pairs({"c": "d"}, {}))


def test_only_known_recipes() -> None:
    with pytest.raises(CnnError, match=r"trian\.… is no entry"):
        pairs(["trian.epochs=2"]).only("train")
    assert pairs(["train.epochs=2"]).only("train").model == {}
