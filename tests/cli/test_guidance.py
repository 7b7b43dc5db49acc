"""What a newcomer meets: bare cnndsl, new, models, explain, and warnings in check."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cnndsl.cli import catalogue
from cnndsl.errors import CODES
from cnndsl.language.papers import Paper, paper_of

WARNED = "model m {\n    input i: 8x8x1\n    conv(3, 3x3) -> relu * 2\n}\n"


def test_bare_command_names_what_to_begin_with(cli: Any) -> None:
    out = cli().out
    for word in ("run", "new", "check", "show", "train"):
        assert f"\n  cnndsl {word} " in out
    for word in ("eval", "compile", "export", "models", "explain", "doctor", "plot"):
        assert word in out


def test_new_writes_a_network_that_checks_clean(cli: Any, tmp_path: Path) -> None:
    done = cli("new", "mine")
    assert done.code == 0
    assert [line.split()[:2] for line in done.out.splitlines() if line.startswith("  cnndsl")] == [
        ["cnndsl", "check"],
        ["cnndsl", "show"],
        ["cnndsl", "train"],
    ]
    assert cli("check", "--strict", "mine.cnn").out == "mine.cnn: ok\n"
    assert cli("show", "mine.cnn").code == 0
    before = (tmp_path / "mine.cnn").read_text()
    again = cli("new", "mine.cnn")
    assert again.code == 1
    assert "never overwrites" in again.err
    assert (tmp_path / "mine.cnn").read_text() == before


@pytest.mark.parametrize("name", ["relu", "model", "my-net", "1st", "a b", ""])
def test_new_refuses_names_that_are_none(cli: Any, name: str, tmp_path: Path) -> None:
    done = cli("new", name)
    assert done.code == 1
    assert "E770" in done.err
    assert not list(tmp_path.glob("*.cnn"))


def test_models_lists_names_years_counts_and_papers(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "catalogue", cache(catalogue.catalogue))  # all models are counted once, not for each form
    text = cli("models").out
    assert "LeNet-5 (1998)  Gradient-Based Learning Applied to Document Recognition\n" in text
    assert "61,706 parameters" in text
    assert "give unit, depths" in text
    data = json.loads(cli("models", "--json").out)
    names = {m["name"]: m for family in data for m in family["models"]}
    assert names["resnet50"]["parameters"] == 25_557_032
    assert names["resnet"]["needs"] == "unit, depths"
    years = [family["year"] or 9999 for family in data]
    assert years == sorted(years)


def test_models_prints_the_text_of_one(cli: Any) -> None:
    assert cli("models", "lenet5").out.startswith("# LeNet-5.")
    assert "did you mean lenet5" in cli("models", "lenet4").err


def test_papers_are_read_from_the_first_comment() -> None:
    text = "# Net-2. A, B et al.: On Nets: a\n# Study, 2011: and more\n\nmodel m { }\n# Other. C: D, 1999.\n"
    assert paper_of(text) == Paper("Net-2", "A, B et al.", "On Nets: a Study", 2011)
    assert paper_of("# only words\nmodel m { }\n") == Paper("only words")
    assert paper_of("model m { }\n").year is None


def test_explain(cli: Any) -> None:
    everything = cli("explain").out
    assert all(f"  {code}  " in everything for code in CODES)
    one = cli("explain", "e312").out
    assert one.startswith("E312: ")
    assert "\nWrong:\n" in one
    assert "\nRight:\n" in one
    unknown = cli("explain", "E999")
    assert unknown.code == 1
    assert "did you mean E99" in unknown.err


def test_explain_tells_of_words_too(cli: Any) -> None:
    listed = cli("ops").out
    assert "\nconv  " in listed and listed.endswith("Options of one:  cnndsl explain conv\n")
    assert cli("explain", "conv").out.startswith("conv: cross-correlation")
    both = cli("explain", "noise").out
    assert both.startswith("noise: in training normal noise") and "\nnoise: a step for images" in both
    assert "did you mean conv?" in cli("explain", "cov").err


def test_warnings_are_no_errors_unless_asked(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "m.cnn").write_text(WARNED)
    easy, strict = cli("check", "m.cnn"), cli("check", "--strict", "m.cnn")
    assert (easy.code, strict.code) == (0, 1)
    assert "warning[W405]" in easy.err
    assert easy.out == "m.cnn: 1 warning\n"
    assert json.loads(cli("check", "--json", "m.cnn").out)[0]["severity"] == "warning"


BIASED = """
model m {
    input image: 28x28x1
    conv(2, 5x5) -> batch_norm -> relu
    global_avg_pool
    dense(10) as logits
}
train { loss = cross_entropy(logits); optimizer = sgd(0.1); steps = 1; data = digits; batch = 2 }
train other { precision = bf16 }
"""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("check m.cnn", "W402 W403"), ("train m.cnn", "W403"), ("train m.cnn --recipe other", "W403 E423"),
        ("eval m.cnn -w w.safetensors", "W403"), ("show m.cnn", ""), ("compile m.cnn -o net.py", ""),
        ("compile m.cnn --train -o step.py", ""), ("bench m.cnn --runs 1 --alone", ""),
        ("export m.cnn -w w.safetensors -o m.onnx", ""),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("without_pictures")
def test_warnings_of_training_stand_where_they_concern_one(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, says: str
) -> None:
    from cnndsl import load
    from cnndsl.runtime import limits
    from cnndsl.runtime.safetensors import write_weights

    given = limits.Limits(1, 100.0, 100.0, ((1000, 50.0),), (40.0, 4.0), (40.0, 4.0))  # two seconds to measure
    monkeypatch.setattr(limits, "measure", lambda threads: given)
    (tmp_path / "m.cnn").write_text(BIASED)
    write_weights(tmp_path / "w.safetensors", load(tmp_path / "m.cnn").initial_weights(0))
    done = cli(*words.split())
    assert [x for x in ("W402", "W403", "E423") if x in done.err] == says.split(), done.err
    assert done.code == ("E423" in says), done.err


def test_a_folder_is_checked_file_by_file(cli: Any, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.cnn").write_text("model m { input image: 4x4x1; flatten -> dense(2) : 2 }\n")
    done = cli("check", str(tmp_path))
    assert (done.code, done.out) == (0, f"{tmp_path / 'one.cnn'}: ok\n{tmp_path / 'two.cnn'}: ok\n")


def test_a_single_region_is_one(cli: Any) -> None:
    assert " kernels in 1 region;" in cli("compile", "lenet5", "--explain", "-o", "net.py").out
