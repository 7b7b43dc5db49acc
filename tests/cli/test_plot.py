"""`cnndsl plot`: pictures are written whole, and what cannot be drawn is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnndsl.cli.logs import histories, table, uneven
from cnndsl.data.datasets import digits
from cnndsl.errors import CnnError
from cnndsl.view.curves import curve_lines

HEAD = "epoch,step,rate,loss,accuracy,validation_loss,validation_accuracy,seconds\n"


def logged(folder: Path, *losses: float) -> Path:
    folder.mkdir(parents=True)
    rows = [f"{k},{10 * k},0.1,{x},{1 - x / 4},{x + 0.5},,{k}\n" for k, x in enumerate(losses, 1)]
    (folder / "log.csv").write_text(HEAD + "".join(rows))
    return folder


@pytest.mark.parametrize("word", ["filters", "curves", "activations", "confusion", "mistakes", "field", "surface"])
def test_help_has_an_example(cli: Any, word: str) -> None:
    done = cli("plot", word, "--help")
    assert done.code == 0
    assert f"cnndsl plot {word} " in " ".join(done.out.split())


@pytest.mark.parametrize("layer", ["", "conv2"])
def test_filters(cli: Any, tmp_path: Path, layer: str) -> None:
    done = cli("plot", "filters", "lenet5", *(("--layer", layer) if layer else ()), "-o", "filters.png")
    assert done.code == 0, done.err
    assert "bundled" in done.err and "drawn into filters.png" in done.err
    assert [p.name for p in tmp_path.iterdir()] == ["filters.png"]
    with Image.open("filters.png") as picture:
        assert min(picture.size) > 100


def test_curves_of_several_runs(cli: Any, tmp_path: Path) -> None:
    logged(tmp_path / "runs" / "a" / "1", 2.0, 1.0)
    logged(tmp_path / "runs" / "a" / "2", 3.0, 0.5)
    logged(tmp_path / "runs" / "b" / "1", 1.5)
    done = cli("plot", "curves", "ReLU=runs/a/1", "a", "runs/b/1/log.csv", "-o", "curves.svg")
    assert done.code == 0, done.err
    text = Path("curves.svg").read_text()
    assert "ReLU" in text and text.startswith("<?xml")
    found = histories(["ReLU=runs/a/1", "a", "runs/b/1/log.csv"])
    assert losses(found) == {"ReLU": [[2.0, 1.0]], "a": [[3.0, 0.5]], "b": [[1.5]]}
    assert list(histories(["runs/a/1", "runs/a/2"])) == ["a 1", "a 2"]
    logged(tmp_path / "plain34", 1.0)
    assert list(histories(["plain34", "b"])) == ["plain34", "b"]


def test_curves_of_a_model_by_its_file(cli: Any, tmp_path: Path) -> None:
    """As `train` was told it: the file, one model of it, and a file that is gone."""
    logged(tmp_path / "runs" / "small" / "1", 2.0)
    (tmp_path / "net.cnn").write_text("model small {\n    input image: 8x8x1\n    flatten\n}\n")
    for word in ("net.cnn", "net.cnn:small", "./net.cnn", "small", "gone/small.cnn", "small.cnn"):
        assert losses(histories([word])) == {"small": [[2.0]]}, word
        assert losses(histories([f"x={word}"])) == {"x": [[2.0]]}, word
    (tmp_path / "net.cnn").write_text("model small {\n    relu(\n}\nmodel large {\n    relu\n}\n")  # it is changed meanwhile
    assert losses(histories(["net.cnn"])) == {"small": [[2.0]]}
    logged(tmp_path / "runs" / "large" / "1", 3.0)
    done = cli("plot", "curves", "net.cnn")
    assert done.code == 1
    assert "error[E770]: net.cnn has several models with runs here: large, small\n" in done.err
    assert "help: say which: net.cnn:large" in done.err
    assert losses(histories(["net.cnn:large"])) == {"large": [[3.0]]}
    assert "there is no run net.cnn:none" in cli("plot", "curves", "net.cnn:none").err


def losses(found: Any) -> dict[str, list[list[float]]]:
    return {name: [[row.loss for row in rows] for rows in runs] for name, runs in found.items()}


def test_runs_of_one_name_stand_together(cli: Any, tmp_path: Path) -> None:
    """A name given several times, or a folder of numbered runs: one line, and one row of the table."""
    for k, (a, b) in enumerate([(3.0, 1.0), (2.5, 0.5), (3.5, 0.9)], 1):
        logged(tmp_path / "runs" / "a" / str(k), a, b)
        logged(tmp_path / "runs" / "b" / str(8 + k), a, a)
    (tmp_path / "runs" / "a" / "notes").mkdir()
    words = ["ReLU=runs/a/1", "ReLU=runs/a/2", "ReLU=runs/a/3", "tanh=runs/b"]
    found = histories(words)
    assert losses(found) == {"ReLU": [[3.0, 1.0], [2.5, 0.5], [3.5, 0.9]], "tanh": [[3.0, 3.0], [2.5, 2.5], [3.5, 3.5]]}
    assert losses(histories(["runs/a"])) == {"a": [[3.0, 1.0], [2.5, 0.5], [3.5, 0.9]]}
    done = cli("plot", "curves", *words, "--reach", "75", "-o", "curves.svg")
    assert done.code == 0, done.err
    assert "band from the smallest to the largest" in Path("curves.svg").read_text()
    head, relu, tanh = (" ".join(line.split()) for line in done.out.splitlines())
    assert head == "runs epochs loss accuracy validation loss epochs to 75 %"
    assert relu == "ReLU 3 2 0.8000 ± 0.2646 80.00 ± 6.61 % 1.3000 ± 0.2646 2.0 ± 0.0"
    assert tanh.split()[-1] == "never"
    assert "2.0 ± 0.0 (2 of 3)" in table(found, 77).splitlines()[1]


def test_runs_of_one_name_that_end_at_other_epochs(cli: Any, tmp_path: Path) -> None:
    """Line, band, table and the line below it tell of the same runs."""
    for k, epochs in enumerate((4, 12, 12), 1):
        logged(tmp_path / "runs" / "a" / str(k), *(k + 1 / n for n in range(1, epochs + 1)))
    done = cli("plot", "curves", "runs/a", "-o", "curves.svg")
    assert done.code == 0, done.err
    _, row, below = done.out.splitlines()
    assert row.split()[:5] == ["a", "3", "4", "to", "12"]
    assert below == "a: the row is of where each run ends, the curve the mean of 3 runs to epoch 4, of 2 to epoch 12"
    assert "mean of several runs, as far as each goes, band from" in Path("curves.svg").read_text()
    line = curve_lines(histories(["runs/a"]))["loss"][0]
    assert [x for x, _ in line.points] == list(range(1, 13))
    assert line.points[3][1] == pytest.approx(2.25) and line.points[4][1] == pytest.approx(2.7)
    assert line.band[11] == (12, pytest.approx(2 + 1 / 12), pytest.approx(3 + 1 / 12))
    assert "the curve the mean of 3 runs to epoch 4, of 2 to epoch 12" in cli("plot", "curves", "runs/a").out
    assert uneven("b", range(1, 8)).endswith("the mean of 7 runs to epoch 1, of ever fewer after it, of 1 to epoch 7")
    assert uneven("b", [3, 3]) == ""


@pytest.mark.parametrize(("only", "says"), [("training", "in training"), ("validation", "in validation")])
def test_curves_of_one_part(cli: Any, tmp_path: Path, only: str, says: str) -> None:
    logged(tmp_path / "one", 3.0, 1.0)
    done = cli("plot", "curves", "one", "--only", only, "-o", "curves.svg")
    assert done.code == 0, done.err
    text = Path("curves.svg").read_text()
    assert says in text and "dashed" not in text
    assert ("accuracy in %" in text) == (only == "training")  # the log tells no accuracy of validation


def test_a_table_of_single_runs(cli: Any, tmp_path: Path) -> None:
    logged(tmp_path / "one", 3.0, 1.0)
    done = cli("plot", "curves", "x=one", "-o", "curves.png", "--reach", "60")
    assert done.out.splitlines()[1].split() == ["x", "1", "2", "1.0000", "75.00", "%", "1.5000", "2"]


def test_curves_as_text(cli: Any, tmp_path: Path) -> None:
    logged(tmp_path / "runs" / "a" / "1", 2.0, 1.0)
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "steps.csv").write_text("step,epoch,rate,loss\n1,0.1,0.1,2.5\n2,0.2,0.1,2\n")
    done = cli("plot", "curves", "a", "begun")
    assert (done.code, done.err) == (0, "")
    assert "* a training" in done.out and "+ a validation" in done.out and "x begun training" in done.out
    assert done.out.splitlines()[-1].split()[:4] == ["a", "1", "2", "1.0000"]  # the table; the other has no epoch yet
    assert not list(tmp_path.glob("*.png"))
    done = cli("plot", "curves", "a", "--watch", "-o", "a.png")  # into a file there is nothing to follow
    assert (done.code, done.err) == (0, "drawn into a.png\n")
    assert "epoch 2" in done.out and (tmp_path / "a.png").is_file()


def test_a_run_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cnndsl.cli import watch

    folder, drawn = logged(tmp_path / "run", 2.0), []

    def sleep(_: float) -> None:
        if len(drawn) == 3:
            raise KeyboardInterrupt
        if len(drawn) == 2:
            (folder / "steps.csv").write_text("step,epoch,rate,loss\n1,0.1,0.1,2.5\n")
        else:
            (folder / "log.csv").write_text(HEAD + "1,1,1,2,,,,1\n2,2,1,1,,,,2\n")

    monkeypatch.setattr(watch.time, "sleep", sleep)
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    watch.shown({"run": [folder / "log.csv"]}, True, True, None, lambda read: drawn.append(len(read["run"][0])))
    assert drawn == [1, 2, 2]


def test_a_name_of_a_run_is_no_formula(cli: Any, tmp_path: Path) -> None:
    logged(tmp_path / "run", 2.0, 1.0)
    for name in (r"$\frac{$", "_hidden", "a\x1b[31m", "数"):
        done = cli("plot", "curves", f"{name}=run", "-o", "curves.png")
        assert (done.code, done.err) == (0, "drawn into curves.png\n")


@pytest.fixture
def digit(tmp_path: Path) -> str:
    test = digits().test
    assert test is not None
    Image.fromarray(255 - np.asarray(test.images)[5, :, :, 0]).save(tmp_path / "digit.png")
    return "digit.png"


def test_activations(cli: Any, digit: str) -> None:
    done = cli("plot", "activations", "lenet5", digit, "-o", "maps.svg")
    assert done.code == 0, done.err
    text = Path("maps.svg").read_text()
    assert "avg_pool2  5x5x16" in text and "input  28x28x1" in text
    done = cli("plot", "activations", "lenet5", digit, "-l", "conv2", "-o", "maps.svg")
    assert done.code == 0, done.err
    assert "conv2  10x10x16" in Path("maps.svg").read_text()


@pytest.mark.parametrize("picture", [True, False])
def test_field(cli: Any, digit: str, picture: bool) -> None:
    done = cli("plot", "field", "lenet5", *([digit] if picture else []), "-l", "conv2", "-o", "field.svg")
    assert (done.code, done.err) == (0, "drawn into field.svg\n")
    assert "14x14 at 5, 5 of 10x10x16" in Path("field.svg").read_text()


def test_field_of_open_sizes(cli: Any) -> None:
    done = cli("plot", "field", "hourglass", "-o", "field.svg")
    assert done.code == 1 and "error[E706]" in done.err
    done = cli("plot", "field", "hourglass", "--input", "64x64x32", "-o", "field.svg")
    assert done.code == 0, done.err


def test_confusion_and_mistakes_are_those_of_eval(cli: Any, tmp_path: Path) -> None:
    told = json.loads(cli("eval", "lenet5", "--json").out)
    right = sum(told["confusion"][i][i] for i in range(10))
    assert cli("plot", "confusion", "lenet5", "-o", "confusion.svg").code == 0
    assert f"{right:,} of {told['images']:,} right" in Path("confusion.svg").read_text()
    done = cli("plot", "mistakes", "lenet5", "--data", "digits", "-n", "3", "-o", "mistakes.svg")
    assert done.code == 0, done.err
    assert f"{told['images'] - right} of {told['images']:,} wrong, the surest 3" in Path("mistakes.svg").read_text()


def test_surface(cli: Any) -> None:
    done = cli("plot", "surface", "lenet5", "--points", "3", "--images", "20", "-o", "surface.svg")
    assert done.code == 0, done.err
    assert "loss on 20 pictures of digits" in Path("surface.svg").read_text()


def test_no_mistakes_are_told(cli: Any, digit: str, tmp_path: Path) -> None:
    test = digits().test
    assert test is not None
    np.savez(tmp_path / "one.npz", images=np.asarray(test.images)[:1], labels=test.labels[:1])
    done = cli("plot", "mistakes", "lenet5", "--data", "one.npz", "-o", "mistakes.png")
    assert done.code == 0 and "nothing to draw" in done.err
    assert not (tmp_path / "mistakes.png").exists()


REFUSED = [
    (("activations", "lenet5", "none.png", "-o", "a.png"), "E703", "none.png"),
    (("activations", "lenet5", "digit.png", "-l", "dense", "-o", "a.png"), "E770", "dense gives no maps to draw: it is 120"),
    (("activations", "lenet5", "digit.png", "-l", "con2", "-o", "a.png"), "E203", "did you mean conv2?"),
    (("field", "lenet5", "digit.png", "digit.png", "-o", "a.png"), "E770", "one picture is drawn upon, not 2"),
    (("field", "lenet5", "-l", "avg_pol", "-o", "a.png"), "E203", "did you mean avg_pool?"),
    (("confusion", "lenet5", "-d", "none", "-o", "a.png"), "E701", "there is no data set none"),
    (("mistakes", "lenet5", "--recipe", "crops", "-o", "a.png"), "E423", "no recipe eval crops"),
    (("curves", "bad/far", "-o", "a.png"), "E702", "line 2"),
    (("filters", "lenet5", "-o", "a.gig"), "E770", ".png, .svg or .pdf"),
    (("filters", "lenet5", "-o", "none/a.png"), "E770", "there is no folder none"),
    (("filters", "lenet5", "-l", "conv22", "-o", "a.png"), "E203", "did you mean conv2?"),
    (("filters", "lenet5", "-l", "dense", "-o", "a.png"), "E770", "these are: conv and conv2"),
    (("filters", "resnet18", "-o", "a.png"), "E771", "cnndsl train resnet18"),
    (("curves", "good", "--only", "test", "-o", "a.png"), "E770", "neither training nor validation"),
    (("curves", "runs/a/7", "-o", "a.png"), "E770", "there is no run runs/a/7"),
    (("curves", "empty", "-o", "a.png"), "E770", "empty holds no log.csv"),
    (("curves", "bad/words", "-o", "a.png"), "E702", "line 2"),
    (("curves", "bad/short", "-o", "a.png"), "E702", "line 2"),
    (("curves", "bad/bytes", "-o", "a.png"), "E702", "no table of text"),
    (("curves", "bad/other", "-o", "a.png"), "E702", "names no epoch and loss"),
    (("curves", "bad/none", "-o", "a.png"), "E702", "holds no epoch yet"),
    (("curves", "bad/infinite", "-o", "a.png"), "E702", "line 2"),
    (("curves", *[f"x{k}=good" for k in range(11)], "-o", "a.png"), "E770", "11 lines are too many"),
    (("curves", *["x=good"] * 1001, "-o", "a.png"), "E770", "1,001 runs are too many"),
    (("curves", "good=good", "good", "-o", "a.png"), "E770", "two lines have one name"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "code", "says"), REFUSED)
def test_what_cannot_be_drawn(cli: Any, tmp_path: Path, digit: str, words: tuple[str, ...], code: str, says: str) -> None:
    (tmp_path / "empty").mkdir()
    logged(tmp_path / "good", 1.0)
    spoilt = {
        "words": HEAD + "1,2,3,four,,,,\n", "short": HEAD + "1,2\n", "bytes": b"epoch,loss\n\xff\xfe", "other": "a,b\n1,2\n",
        "none": HEAD, "far": HEAD + "1e300,1,1,1,,,,1\n", "infinite": HEAD + "inf,1,1,1,,,,1\n",
    }  # fmt: skip
    for name, text in spoilt.items():
        folder = tmp_path / "bad" / name
        folder.mkdir(parents=True)
        (folder / "log.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    done = cli("plot", *words)
    assert done.code == 1
    assert f"error[{code}]" in done.err and says in done.err
    assert not (tmp_path / "a.png").exists()


def test_too_large_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cnndsl.training import curves

    monkeypatch.setattr(curves, "LARGEST", 100)
    with pytest.raises(CnnError, match="too large"):
        curves.read_csv(logged(tmp_path / "run", *[1.0] * 10) / "log.csv")
