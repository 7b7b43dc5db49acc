"""`cnndsl plot`: pictures are written whole, and what cannot be drawn is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cnndsl.cli.plot import histories
from cnndsl.errors import CnnError

HEAD = "epoch,step,rate,loss,accuracy,validation_loss,validation_accuracy,seconds\n"


def logged(folder: Path, *losses: float) -> Path:
    folder.mkdir(parents=True)
    rows = [f"{k},{10 * k},0.1,{x},{1 - x / 4},{x + 0.5},,{k}\n" for k, x in enumerate(losses, 1)]
    (folder / "log.csv").write_text(HEAD + "".join(rows))
    return folder


@pytest.mark.parametrize("word", ["filters", "curves"])
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
    assert {name: [row.loss for row in rows] for name, rows in found.items()} == {
        "ReLU": [2.0, 1.0],
        "a": [3.0, 0.5],
        "b": [1.5],
    }
    assert list(histories(["runs/a/1", "runs/a/2"])) == ["a 1", "a 2"]


def test_a_name_of_a_run_is_no_formula(cli: Any, tmp_path: Path) -> None:
    logged(tmp_path / "run", 2.0, 1.0)
    for name in (r"$\frac{$", "_hidden", "a\x1b[31m", "数"):
        done = cli("plot", "curves", f"{name}=run", "-o", "curves.png")
        assert (done.code, done.err) == (0, "drawn into curves.png\n")


REFUSED = [
    (("filters", "lenet5", "-o", "a.gig"), "E770", ".png, .svg or .pdf"),
    (("filters", "lenet5", "-o", "none/a.png"), "E770", "there is no folder none"),
    (("filters", "lenet5", "-l", "conv22", "-o", "a.png"), "E203", "did you mean conv2?"),
    (("filters", "lenet5", "-l", "dense", "-o", "a.png"), "E770", "these are: conv and conv2"),
    (("filters", "resnet18", "-o", "a.png"), "E771", "cnndsl train resnet18"),
    (("curves", "runs/a/7", "-o", "a.png"), "E770", "there is no run runs/a/7"),
    (("curves", "empty", "-o", "a.png"), "E770", "empty holds no log.csv"),
    (("curves", "bad/words", "-o", "a.png"), "E702", "line 2"),
    (("curves", "bad/short", "-o", "a.png"), "E702", "line 2"),
    (("curves", "bad/bytes", "-o", "a.png"), "E702", "no table of text"),
    (("curves", "bad/other", "-o", "a.png"), "E702", "names no epoch and loss"),
    (("curves", "bad/none", "-o", "a.png"), "E702", "holds no epoch yet"),
    (("curves", "bad/infinite", "-o", "a.png"), "E702", "line 2"),
    (("curves", *["bad/none"] * 11, "-o", "a.png"), "E770", "too many"),
    (("curves", "x=good", "x=good", "-o", "a.png"), "E770", "two lines have one name"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "code", "says"), REFUSED)
def test_what_cannot_be_drawn(cli: Any, tmp_path: Path, words: tuple[str, ...], code: str, says: str) -> None:
    (tmp_path / "empty").mkdir()
    logged(tmp_path / "good", 1.0)
    spoilt = {
        "words": HEAD + "1,2,3,four,,,,\n", "short": HEAD + "1,2\n", "bytes": b"epoch,loss\n\xff\xfe", "other": "a,b\n1,2\n",
        "none": HEAD, "infinite": HEAD + "inf,1,1,1,,,,1\n",
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
