"""Copies of a file that are changed to compare them: their models have one name, and their runs one folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnndsl.training import origin

pytestmark = pytest.mark.usefixtures("without_pictures")

TINY = """model tiny {
    input image: 8x8x1
    conv(2, 3x3, pad = same) -> relu -> flatten -> dense(3) as logits -> softmax
}
preprocess { images = grey -> normalize(mean = 0.5, std = 0.25) }
train {
    loss = cross_entropy(logits)
    optimizer = sgd(rate = 0.1)
    batch = 4
    epochs = 1
}
"""
ON = ("--data", "set.npz")
VARIANT = TINY.replace(" -> normalize(mean = 0.5, std = 0.25)", "")
ONE, TWO, THREE = (Path("runs/tiny") / n for n in "123")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three files of one model, the second with another preprocess, and data."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "set.npz", images=rng.integers(0, 255, (20, 8, 8, 1)).astype(np.uint8), labels=np.arange(20) % 3)
    Image.new("L", (8, 8), 90).save(tmp_path / "one.png")
    for name, text in {"tiny": TINY, "variant": VARIANT, "third": TINY}.items():
        (tmp_path / f"{name}.cnn").write_text(text)
    return tmp_path


def train(cli: Any, *words: str) -> None:
    done = cli("train", *words, *ON, "--threads", "1")
    assert done.code == 0, done.err


def test_each_file_has_its_own_weights(cli: Any, home: Path) -> None:
    train(cli, "tiny.cnn")
    alone = cli("eval", "tiny.cnn", *ON)
    assert alone.err == f"weights: {ONE / 'weights.safetensors'} (this folder's newest run)\n"
    train(cli, "variant.cnn")
    for command in (("eval", "tiny.cnn", *ON), ("run", "tiny.cnn", "one.png"), ("plot", "filters", "tiny.cnn", "-o", "f.png")):
        done = cli(*command)
        assert f"weights: {ONE / 'weights.safetensors'} (this folder's newest run of tiny.cnn)\n" in done.err
        assert "W414" not in done.err
    assert cli("eval", "tiny.cnn", *ON).out == alone.out
    assert str(TWO / "weights.safetensors") in cli("eval", "variant.cnn", *ON).err


def test_of_another_file_it_is_said(cli: Any, home: Path) -> None:
    train(cli, "variant.cnn")
    done = cli("eval", "tiny.cnn", *ON)
    assert done.code == 0
    assert "(this folder's newest run, which is of variant.cnn)" in done.err
    assert f"warning[W414]: {ONE} was trained by variant.cnn, and the preprocess of tiny.cnn is another\n" in done.err
    assert "note: preprocess: images = grey, now grey -> normalize(mean = 0.5, std = 0.25)" in done.err
    meant = str(ONE / "weights.safetensors")
    assert f"-w {meant}" in done.err
    assert "W414" not in cli("eval", "tiny.cnn", *ON, "-w", meant).err


def test_a_copy_that_says_the_same_is_not_warned_of(cli: Any, home: Path) -> None:
    train(cli, "tiny.cnn")
    done = cli("eval", "third.cnn", *ON)
    assert "which is of tiny.cnn" in done.err and "W414" not in done.err


def test_another_files_run_is_not_resumed(cli: Any, home: Path) -> None:
    train(cli, "tiny.cnn")
    train(cli, "variant.cnn")
    done = cli("train", "third.cnn", "--resume", *ON)
    assert done.code == 1
    assert f"error[E709]: there is no run of third.cnn to resume: {TWO} is a run of variant.cnn" in done.err
    assert (
        "begin one: cnndsl train third.cnn --data set.npz; or go on with the other: cnndsl train variant.cnn --resume"
        in done.err
    )
    assert f"{ONE} is finished" in cli("train", "tiny.cnn", "--resume", *ON).out
    assert f"{TWO} is finished" in cli("train", "variant.cnn", "--resume", *ON).out


def test_a_file_that_was_renamed_goes_on(cli: Any, home: Path) -> None:
    train(cli, "tiny.cnn")
    (home / "tiny.cnn").rename(home / "better.cnn")
    assert f"{ONE} is finished" in cli("train", "better.cnn", "--resume", *ON).out


def test_a_change_of_the_network_that_keeps_its_shapes(cli: Any, home: Path) -> None:
    train(cli, "tiny.cnn")
    (home / "tiny.cnn").write_text("# a remark\n" + TINY)
    assert "W414" not in cli("eval", "tiny.cnn", *ON).err
    (home / "tiny.cnn").write_text(TINY.replace("relu", "tanh"))
    assert f"warning[W414]: the network of tiny.cnn changed since {ONE} was trained" in cli("eval", "tiny.cnn", *ON).err
    resumed = cli("train", "tiny.cnn", "--resume", *ON, "train.epochs=2")
    assert f"error[E711]: the network of tiny.cnn changed since {ONE} was trained" in resumed.err


def test_the_curves_are_those_of_the_file(cli: Any, home: Path) -> None:
    train(cli, "tiny.cnn")
    train(cli, "variant.cnn", "train.epochs=2")
    row = cli("plot", "curves", "tiny.cnn", "-o", "c.png").out.splitlines()[1].split()
    assert row[:3] == ["tiny", "1", "1"]


@pytest.mark.parametrize("text", [None, "{", "[]", '{"file": 3}', '{"other": "x"}', "[" * 100_000])
def test_runs_without_a_record_stay_readable(cli: Any, home: Path, text: str | None) -> None:
    train(cli, "tiny.cnn")
    record = home / ONE / origin.NAME
    assert json.loads(record.read_text())["file"] == "tiny.cnn"
    record.unlink() if text is None else record.write_text(text)
    done = cli("eval", "variant.cnn", *ON)
    assert done.code == 0 and done.err.endswith("(this folder's newest run)\n")
    assert f"{ONE} is finished" in cli("train", "tiny.cnn", "--resume", *ON).out


def test_weights_from_before_a_change_say_so(cli: Any, home: Path) -> None:
    """One cause, and one wording for whoever reads the weights."""
    train(cli, "tiny.cnn")
    (home / "tiny.cnn").write_text(TINY.replace("conv(2", "conv(3"))
    help = f"the network of tiny.cnn changed since {ONE} was trained: train again: cnndsl train tiny.cnn; or name other weights"
    for command in (("eval", "tiny.cnn", *ON), ("run", "tiny.cnn", "one.png"), ("export", "tiny.cnn")):
        done = cli(*command)
        assert f"error[E504]: {ONE / 'weights.safetensors'}: the weights do not fit tiny" in done.err
        assert "conv.weight has shape 3x3x1x2, the model needs 3x3x1x3" in done.err
        assert help in done.err
    resumed = cli("train", "tiny.cnn", "--resume", *ON, "train.epochs=2")
    assert f"error[E711]: {ONE}: the checkpoint does not fit tiny" in resumed.err
    assert "conv.weight has shape 3x3x1x2, the model needs 3x3x1x3" in resumed.err
    assert "begin a new run, without --resume" in resumed.err
