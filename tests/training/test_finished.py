"""A finished run says so from its files; where they are not whole, going on makes them again. And the accuracy in training."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnndsl.data.records import Dataset, Part
from cnndsl.errors import CnnError
from cnndsl.language.load import load_text
from cnndsl.training import finished, loop
from cnndsl.training.loop import train

TEXT = """model m {
    input image: 6x6x1
    flatten -> dense(3)NAMED
}
train {
    loss      = cross_entropy(LOGITS)
    optimizer = sgd(rate = 0.1)
    batch     = 4
    epochs    = 2
}
"""
RNG = np.random.default_rng(0)
PART = Part(RNG.integers(0, 256, (12, 6, 6, 1), dtype=np.uint8), (np.arange(12) % 3).astype(np.int32))
DATA = Dataset("noise", tuple("abc"), PART, PART)


def model(named: str = " as logits -> softmax", logits: str = "logits") -> Any:
    return load_text(TEXT.replace("NAMED", named).replace("LOGITS", logits))


def test_a_finished_run_is_found_without_compiling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, recipe = model(), model().train
    first = train(net, recipe, DATA, run_dir=tmp_path / "1")
    stamps = {x.name: x.stat().st_mtime_ns for x in (tmp_path / "1").iterdir()}

    def none(*_: Any, **__: Any) -> Any:
        raise AssertionError("compiled")

    with monkeypatch.context() as patch:
        patch.setattr(loop, "compile_step", none)
        again = train(net, recipe, DATA, run_dir=tmp_path / "1", resume=True)
        assert (again.steps, again.begun, again.steps_per_epoch, again.stopped) == (6, 6, 3, False)
        assert again.history == first.history
        assert set(again.weights) == set(first.weights)
        for name, x in first.weights.items():
            np.testing.assert_array_equal(again.weights[name], x)
        assert {x.name: x.stat().st_mtime_ns for x in (tmp_path / "1").iterdir()} == stamps
        with pytest.raises(AssertionError, match="compiled"):
            train(net, replace(recipe, epochs=3), DATA, run_dir=tmp_path / "1", resume=True)
    with pytest.raises(CnnError, match="another recipe"):
        train(net, replace(recipe, batch=3), DATA, run_dir=tmp_path / "1", resume=True)


@pytest.mark.parametrize("broken", ["weights.safetensors", "loss.png", "older"])
def test_what_a_finished_run_lacks_is_made_again(tmp_path: Path, broken: str) -> None:
    net = model()
    train(net, net.train, DATA, run_dir=tmp_path / "1")
    whole = (tmp_path / "1" / "weights.safetensors").read_bytes()
    if broken == "older":  # the curves of an earlier epoch
        os.utime(tmp_path / "1" / "loss.svg", (1, 1))
    else:
        (tmp_path / "1" / broken).unlink()
    again = train(net, net.train, DATA, run_dir=tmp_path / "1", resume=True)
    assert again.begun == again.steps == 6
    assert (tmp_path / "1" / "weights.safetensors").read_bytes() == whole
    assert (tmp_path / "1" / "loss.svg").stat().st_mtime > 1 and (tmp_path / "1" / "loss.png").is_file()
    fit = loop.fitted(net, net.train, DATA, None)
    assert finished.finished(tmp_path / "1", net, net.train, fit) is not None


def test_accuracy_is_told_where_the_loss_takes_the_output_itself(tmp_path: Path) -> None:
    named = model()
    wanted = train(named, named.train, DATA, run_dir=tmp_path / "named")
    plain = model(" as logits", "output")  # the same names, so the same first weights
    for parts in (1, 2):
        found = train(plain, replace(plain.train, accumulate=parts), DATA, run_dir=tmp_path / f"plain{parts}")
        for row, told in zip(found.history, wanted.history, strict=True):
            assert row.accuracy == told.accuracy is not None
            assert row.validation_accuracy == told.validation_accuracy
    squared = load_text(TEXT.replace("NAMED", "").replace("cross_entropy(LOGITS)", "mse(output, target)"))
    data = Dataset("numbers", (), replace(PART, beside={"target": np.ones((12, 3), np.float32)}))
    assert train(squared, squared.train, data, run_dir=tmp_path / "numbers").history[0].accuracy is None
