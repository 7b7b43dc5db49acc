"""`precision`: float32 everywhere, float64 on the reference target; others are refused where they stand, by all commands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnndsl.data.records import Dataset, Part
from cnndsl.errors import CnnError
from cnndsl.language.load import load_text
from cnndsl.training import checkpoint
from cnndsl.training.loop import train
from cnndsl.training.restore import restore
from cnndsl.training.step import compile_step, recipe_step

pytestmark = pytest.mark.usefixtures("without_pictures")

TEXT = """
model tiny(classes = 3) {
    input image: 6x6x1
    conv(4, 3x3, bias = false) -> batch_norm -> relu
    flatten
    dense(classes) as logits
}
train {
    loss      = cross_entropy(logits)
    optimizer = sgd(rate = 0.1, momentum = 0.9)
    average   = ema(0.5)
    batch     = 6
    epochs    = 2
    data      = digits
    precision = PRECISION
}
"""
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (30, 6, 6, 1)).astype(np.uint8)
LABELS = (np.arange(30) % 3).astype(np.int32)
DATA = Dataset("dots", tuple("abc"), Part(IMAGES[:24], LABELS[:24]), Part(IMAGES[24:], LABELS[24:]))


def refused(e: pytest.ExceptionInfo[CnnError], says: str) -> None:
    (d,) = e.value.diagnostics
    assert (d.code, says in d.message) == ("E423", True), d.message
    assert d.span is not None
    assert d.span.source.text[d.span.start : d.span.end].startswith("precision = ")


def test_a_step_in_float64(walk: Any) -> None:
    net = load_text(TEXT.replace("PRECISION", "float64"))
    step = compile_step(net, seed=3, batch=6, target="reference")
    images = RNG.normal(size=(6, 6, 6, 1)).astype(np.float32)
    graph = recipe_step(net, net.train, 6)
    state: dict[str, Any] = {n: np.zeros(s.type.sizes, s.type.dtype) for n, s in graph.state.items()}
    state |= net.initial_weights(3)
    for _ in range(3):
        loss = step(images, LABELS[:6])
        given = {"image": images, "label": LABELS[:6], "rate": np.float32(0.1), "seed": np.uint64(0)}
        outputs, updates = walk(graph, state, given)
        state |= updates
        assert loss == float(outputs["loss"])
    for name, x in step.state.items():
        np.testing.assert_array_equal(x, state[name], err_msg=name)
        assert x.dtype == ("int64" if name == "step" else "float64")
    single = compile_step(net, seed=3, batch=6, target="reference", recipe=replace(net.train, precision=None))
    for _ in range(3):
        other = single(images, LABELS[:6])
    assert other != loss
    assert other == pytest.approx(loss, rel=1e-4)
    assert {x.dtype for x in step.weights.values()} == {x.dtype for x in step.averaged.values()} == {np.dtype("float32")}


def test_a_run_in_float64_is_resumed_to_the_same_bits(tmp_path: Path) -> None:
    net = load_text(TEXT.replace("PRECISION", "float64"))
    whole = train(net, net.train, DATA, run_dir=tmp_path / "a", target="reference")
    train(net, replace(net.train, epochs=1), DATA, run_dir=tmp_path / "b", target="reference")
    _, state = checkpoint.load(tmp_path / "b")
    assert state["logits.weight"].dtype == "float64"
    assert not np.array_equal(state["logits.weight"], state["logits.weight"].astype(np.float32))
    train(net, net.train, DATA, run_dir=tmp_path / "b", target="reference", resume=True)
    both = [(tmp_path / x / "weights.safetensors").read_bytes() for x in "ab"]
    assert both[0] == both[1]
    assert whole.weights["logits.weight"].dtype == "float32"
    with pytest.raises(CnnError, match="precision was float64, is not set"):
        train(net, replace(net.train, precision=None), DATA, run_dir=tmp_path / "b", target="reference", resume=True)


def test_float64_is_the_references_alone(tmp_path: Path, cli: Any) -> None:
    net = load_text(TEXT.replace("PRECISION", "float64"))
    with pytest.raises(CnnError) as e:
        train(net, net.train, DATA, run_dir=tmp_path / "r")
    refused(e, "precision = float64: the target numpy computes in float32")
    with pytest.raises(CnnError) as e:
        compile_step(net, batch=6)
    refused(e, "the target numpy computes in float32")
    (tmp_path / "tiny.cnn").write_text(TEXT.replace("PRECISION", "float64"))
    done = cli("compile", "tiny.cnn", "--train", "-o", "step.py")
    assert done.code == 1
    assert "help: --target reference computes in float64, slowly" in done.err
    assert cli("compile", "tiny.cnn", "-o", "net.py").code == 0  # inference is not concerned


@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16"])
def test_what_there_is_not_yet(tmp_path: Path, cli: Any, precision: str) -> None:
    text = TEXT.replace("PRECISION", precision)
    net = load_text(text)
    assert [d.code for d in net.warnings] == ["W402"]
    for target in ("numpy", "reference"):
        with pytest.raises(CnnError) as e:
            train(net, net.train, DATA, run_dir=tmp_path / "r", target=target)
        refused(e, f"train cannot carry out precision: {precision} yet")
        with pytest.raises(CnnError) as e:
            compile_step(net, batch=6, target=target)
        refused(e, f"train cannot carry out precision: {precision} yet")
    (tmp_path / "tiny.cnn").write_text(text)
    for words in (("compile", "tiny.cnn", "--train"), ("bench", "tiny.cnn", "--train"), ("train", "tiny.cnn")):
        done = cli(*words)
        assert done.code == 1
        assert f"error[E423]: train cannot carry out precision: {precision} yet\n   --> tiny.cnn:15:5" in done.err
    assert cli("compile", "tiny.cnn", "--train", "train.precision=float32", "-o", "step.py").code == 0


def test_of_a_task() -> None:
    text = """
        model m { input z: HxWx2 where H % 2 == 0, W % 2 == 0; conv(3, 3x3, pad = same) -> sigmoid }
        task t { input = noise(0..0.1); loss = mse(output, image); optimizer = adam(0.01); steps = 2; precision = WORD }
    """
    picture = RNG.random((4, 4, 3), np.float32)
    net = load_text(text.replace("WORD", "float64"))
    assert restore(net, net.tasks["t"], picture, target="reference").steps == 2
    with pytest.raises(CnnError) as e:
        restore(net, net.tasks["t"], picture)
    refused(e, "the target numpy computes in float32")
    net = load_text(text.replace("WORD", "bf16"))
    with pytest.raises(CnnError) as e:
        restore(net, net.tasks["t"], picture)
    refused(e, "task t cannot carry out precision: bf16 yet")
