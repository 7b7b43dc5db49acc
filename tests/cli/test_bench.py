"""cnndsl bench: what it says, keeps, draws and refuses. Limits are given: measuring them is not what is tested."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from cnndsl.runtime import limits
from cnndsl.runtime.limits import Limits

SMALL = """
model small(filters = 4) {
    input image: HxWx3 where H % 2 == 0, W % 2 == 0
    conv(filters, 3x3, pad = same) -> relu -> max_pool(2x2) -> global_avg_pool -> dense(5) as logits -> softmax
}
"""


@pytest.fixture(autouse=True)
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = lambda threads: Limits(threads, 100.0, 150.0, ((1000, 50.0), (10**8, 5.0)), (40.0, 4.0), (50.0, 5.0))  # noqa: E731
    monkeypatch.setattr(limits, "measure", found)
    (tmp_path / "small.cnn").write_text(SMALL)


def test_text_and_data(cli: Any) -> None:
    done = cli("bench", "lenet5", "--runs", 1, "--threads", 1, "--alone")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("lenet5, inference on 1 image, 1 thread; ")
    for word in ("conv 5x5", "avg_pool", "dense", "whole run", "the marks", "memory  "):
        assert word in done.out
    data = json.loads(cli("bench", "lenet5", "-b", 3, "--runs", 1, "--threads", 2, "--alone", "--json").out)
    assert (data["model"], data["batch"], data["training"], data["threads"]) == ("lenet5", 3, False, 2)
    assert sum(k["multiply_adds"] for k in data["kernels"]) == 3 * 416_520
    assert data["limits"]["product"] == 150
    assert data["absent"] == {}
    assert abs(sum(k["seconds"] for k in data["kinds"]) - data["kernel_seconds"]) < 1e-9


def test_a_step_kept_and_compared(cli: Any, tmp_path: Path) -> None:
    words = ("bench", "lenet5", "--train", "-b", 4, "--runs", 1, "--threads", 1, "--alone")
    done = cli(*words, "--save", "then.json", "--plot", "roof.png")
    assert done.code == 0
    assert "lenet5, training step on 4 images" in done.out
    assert "conv_weight_grad 5x5" in done.out
    assert done.err == "drawn into roof.png\n"
    assert (tmp_path / "roof.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "then.json").read_text())["training"] is True
    again = cli(*words, "--against", "then.json", "--top", 2)
    assert again.code == 0
    assert "ratio         now / then: whole run " in again.out
    other = cli("bench", "lenet5", "-b", 4, "--runs", 1, "--threads", 1, "--alone", "--against", "then.json")
    assert other.code == 1
    assert "error[E772]: then.json is nothing to compare with: its training is True, this one's False" in other.err


def test_sizes_and_arguments(cli: Any) -> None:
    done = cli("bench", "small.cnn:small", "filters=6", "--input", "8x10x3", "--runs", 1, "--threads", 1, "--alone", "--json")
    data = json.loads(done.out)
    assert sum(k["multiply_adds"] for k in data["kernels"]) == 8 * 10 * 27 * 6 + 6 * 5
    assert "E604" in cli("bench", "small.cnn:small", "--runs", 1, "--alone").err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("lenet5", "--plot", "roof.txt"), "E770"),
        (("lenet5", "--against", "none.json"), "E772"),
        (("lenet5", "--against", "small.cnn"), "E772"),
        (("inception_naive", "--train"), "E770"),
        (("lenet5", "train.epochs=3"), "E770"),
        (("lenet5", "--alone", "--runs", 1, "--save", "no/such/folder.json"), "E598"),
    ],
)
def test_what_is_refused(words: tuple[Any, ...], code: str, cli: Any) -> None:
    done = cli("bench", *words)
    assert done.code == 1
    assert f"error[{code}]" in done.err
    assert done.out == ""


def test_who_is_not_installed_is_said(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnndsl.peers.beside.find_spec", lambda name: None)
    done = cli("bench", "lenet5", "--runs", 1, "--threads", 1)
    assert "PyTorch is not compared: torch is not installed" in done.out
    assert "ONNX Runtime is not compared: onnxruntime and onnx are not installed" in done.out


@pytest.mark.skipif(importlib.util.find_spec("onnxruntime") is None, reason="ONNX Runtime is not installed")
def test_who_is_installed_stands_beside(cli: Any) -> None:
    data = json.loads(cli("bench", "lenet5", "--runs", 1, "--threads", 1, "--json").out)
    assert data["beside"]["cnndsl"] > 0
    assert data["beside"]["ONNX Runtime"] > 0
    assert data["differences"]["ONNX Runtime"] < 1e-5


@pytest.mark.torch
@pytest.mark.parametrize("train", [False, True])
def test_pytorch_beside(train: bool, cli: Any) -> None:
    data = json.loads(
        cli("bench", "lenet5", *(["--train"] if train else []), "-b", 4, "--runs", 1, "--threads", 1, "--json").out
    )
    for layout in ("PyTorch, NCHW", "PyTorch, channels_last"):
        assert data["beside"][layout] > 0
        assert data["differences"][layout] < 1e-5
    assert data["absent"] == ({"ONNX Runtime": "it does not train"} if train else data["absent"])
