"""The printed module: standalone, the same bytes each time, safe names, no large arrays in steady state, threads."""

from __future__ import annotations

import gc
import io
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cnndsl
import cnndsl.ops
from cnndsl.graph.graph import Graph
from cnndsl.runtime.compile import compile
from cnndsl.runtime.load import load_source

ROOT = Path(__file__).parents[3]

BUILD = """
import sys
import cnndsl.ops
from cnndsl.graph.graph import Graph
from cnndsl.graph.read import parse_graph
from cnndsl.graph.text import to_text
from cnndsl.runtime.compile import compile
g = Graph("small")
x = g.input("image", (12, 12, 1))
x = x.conv(4, (5, 5), pad=2, name="conv1").tanh().avg_pool((2, 2))
x = x.conv(6, (3, 3), bias=False, name="conv2").batch_norm(name="norm").relu().max_pool((2, 2)).flatten()
g.output(x.dense(5, name="logits").softmax())
sys.stdout.write(compile(g, batch=8, threads=2).source)
"""


def small() -> Graph:
    g = Graph("small")
    x = g.input("image", (12, 12, 1))
    x = x.conv(4, (5, 5), pad=2, name="conv1").tanh().avg_pool((2, 2))
    x = x.conv(6, (3, 3), bias=False, name="conv2").batch_norm(name="norm").relu().max_pool((2, 2)).flatten()
    g.output(x.dense(5, name="logits").softmax())
    return g


def pictures(n: int) -> Any:
    return np.random.default_rng(3).standard_normal((n, 12, 12, 1)).astype(np.float32)


def printed(seed: str) -> str:
    env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", BUILD], env=env, capture_output=True, text=True, check=True).stdout


def test_same_bytes_whatever_the_hash_seed() -> None:
    assert printed("1") == printed("77")


def test_matches_the_reference_for_any_number_of_images() -> None:
    g = small()
    w = g.initial_weights(1)
    run, judge = compile(g, w, batch=8, threads=2), compile(g, w, target="reference", batch=8)
    for n in (1, 8, 19):
        np.testing.assert_allclose(run(pictures(n)), judge(pictures(n)), rtol=0, atol=1e-5)


def npy_of(x: object) -> bytes:
    out = io.BytesIO()
    np.save(out, x)  # type: ignore[arg-type]
    return out.getvalue()


def test_runs_alone_with_numpy_only(tmp_path: Path) -> None:
    from cnndsl.runtime.safetensors import write_weights

    g = small()
    w = g.initial_weights(1)
    (tmp_path / "net.py").write_text(compile(g, batch=8).source)  # type: ignore[union-attr]
    write_weights(tmp_path / "w.safetensors", w)
    np.save(tmp_path / "x.npy", pictures(3))
    command = [sys.executable, "-I", "net.py", "w.safetensors", "x.npy"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert len(shown.splitlines()) == 3
    subprocess.run([*command, "--out", "y.npy"], cwd=tmp_path, check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), compile(g, w, batch=8)(pictures(3)))


def test_says_what_is_wrong_with_weights(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(compile(small(), batch=8).source)  # type: ignore[union-attr]
    (tmp_path / "w.safetensors").write_bytes(b"nonsense, and more of it")
    np.save(tmp_path / "x.npy", pictures(1))
    found = subprocess.run([sys.executable, "net.py", "w.safetensors", "x.npy"], cwd=tmp_path, capture_output=True, text=True)
    assert found.returncode == 1
    assert "not a safetensors file" in found.stderr


def test_whole_numbers_are_not_taken_for_prepared_pictures(tmp_path: Path) -> None:
    from cnndsl.runtime.safetensors import write_weights

    net = cnndsl.load("lenet5")
    source = compile(net, batch=8).source  # type: ignore[union-attr]
    assert "grey -> invert(auto) -> resize(28x28), all of it before the" in source.split('"""')[1]
    (tmp_path / "net.py").write_text(source)
    write_weights(tmp_path / "w.safetensors", net.initial_weights(0))
    np.save(tmp_path / "x.npy", np.zeros((2, 28, 28, 1), np.uint8))
    found = subprocess.run([sys.executable, "net.py", "w.safetensors", "x.npy"], cwd=tmp_path, capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == "image holds uint8, expected float32, prepared as the first lines of this file say\n"


@pytest.mark.parametrize(
    ("notes", "says"),
    [
        ({"classes": '["circle", "s\\u001b[2Jtar", "stripes"]'}, ["circle", "s?[2Jtar", "stripes"]),
        ({"classes": '["circle", "square"]'}, ["0", "1", "2"]),
        ({"classes": "[[[", "step": "7"}, ["0", "1", "2"]),
        ({"classes": '["a", 7, "b"]'}, ["0", "1", "2"]),
        ({}, ["0", "1", "2"]),
    ],
)
def test_the_command_calls_classes_by_their_names(
    notes: dict[str, str], says: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of weights tells them; what it tells otherwise, or of another number of classes, is as if it were not there."""
    from cnndsl.runtime.safetensors import write_weights

    g = Graph("dots")
    g.output(g.input("image", (2, 2, 1)).flatten().dense(3).softmax())
    write_weights(tmp_path / "w.safetensors", g.initial_weights(1), notes)
    np.save(tmp_path / "x.npy", np.ones((1, 2, 2, 1), np.float32))
    module = load_source(compile(g, batch=1).source, "alone")  # type: ignore[union-attr]
    assert module.main([str(tmp_path / "w.safetensors"), str(tmp_path / "x.npy")]) == 0
    shown = capsys.readouterr().out.removeprefix("0: ").strip()
    assert sorted(part.rpartition(" ")[0] for part in shown.split(", ")) == sorted(says)


def test_the_command_ends_quietly_where_nobody_reads_on(tmp_path: Path) -> None:
    from cnndsl.runtime.safetensors import write_weights

    g = Graph("dots")
    g.output(g.input("image", (2, 2, 1)).flatten().dense(3).softmax())
    write_weights(tmp_path / "w.safetensors", g.initial_weights(1))
    np.save(tmp_path / "x.npy", np.ones((20_000, 2, 2, 1), np.float32))
    (tmp_path / "net.py").write_text(compile(g, batch=64).source)  # type: ignore[union-attr]
    words = [sys.executable, "net.py", "w.safetensors", "x.npy"]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith(b"0: ")
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
    said = subprocess.run([*words, "--out", "no/y.npy"], cwd=tmp_path, capture_output=True, text=True)
    assert said.returncode == 1 and said.stderr.count("\n") == 1 and "no/y.npy" in said.stderr


NO_ARRAYS = {
    "text": (b"no array\n", "is no .npy file: images come as one array, prepared as the first lines of this file say"),
    "nothing": (b"", "is no .npy file: images come as one array, prepared as the first lines of this file say"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(50), "is no .npy file: images come as one array, prepared as the first lines"),
    "a damaged header": (b"\x93NUMPY\x01\x00\x10\x00{'descr': (", "is a damaged .npy file: "),
    "an array cut off": (npy_of(np.zeros((2, 28, 28, 1), np.float32))[:-7], "is a damaged .npy file: "),
    "objects": (npy_of(np.array([{}], object)), "is a damaged .npy file: Object arrays cannot be loaded"),
}


@pytest.mark.parametrize("what", NO_ARRAYS)
def test_what_is_no_array_is_told_in_a_sentence(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from cnndsl.runtime.safetensors import write_weights

    content, says = NO_ARRAYS[what]
    g = small()
    write_weights(tmp_path / "w.safetensors", g.initial_weights(1))
    (tmp_path / "x.npy").write_bytes(content)
    module = load_source(compile(g, batch=8).source, "alone")  # type: ignore[union-attr]
    assert module.main([str(tmp_path / "w.safetensors"), str(tmp_path / "x.npy")]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"{tmp_path / 'x.npy'} {says}")
    assert len(shown.err.splitlines()) == 1


def test_a_concat_in_place_that_is_read_as_a_view_first() -> None:
    """Its array has the concat's own shape, whichever reader comes first."""
    g = Graph("wide")
    x = g.input("image", (4, 4, 3))
    wide = x.relu().concat(x.tanh(), x.conv(2, (1, 1)))
    g.output(wide.flatten().dense(5).add(wide.conv(5, (4, 4)).flatten()).softmax())
    w = g.initial_weights(0)
    run, images = compile(g, w, batch=2), np.random.default_rng(0).standard_normal((2, 4, 4, 3)).astype(np.float32)
    assert not [k for k in run.program.run.kernels if k.node.op.name == "concat"]  # type: ignore[union-attr]
    np.testing.assert_allclose(run(images), compile(g, w, target="reference", batch=2)(images), rtol=0, atol=1e-6)


def test_nan_goes_through() -> None:
    g = small()
    x = pictures(2)
    x[1, 3, 3, 0] = np.nan
    y = compile(g, g.initial_weights(1), batch=2)(x)
    assert np.isfinite(y[0]).all()
    assert np.isnan(y[1]).all()


def test_no_large_array_in_steady_state() -> None:
    g = Graph("wide")
    x = g.input("image", (32, 32, 3)).conv(16, (3, 3), pad=1, name="a").batch_norm().relu()
    x = x.add(x.conv(16, (3, 3), pad=1, name="b").tanh()).max_pool((2, 2)).conv(32, (3, 3), stride=2, name="c").sigmoid()
    g.output(x.global_avg_pool().dense(1000).softmax())
    run = compile(g, g.initial_weights(0), batch=16, threads=2)
    x, y = np.ones((16, 32, 32, 3), np.float32), np.empty((16, 1000), np.float32)
    for _ in range(2):
        run(x, out=y)
    tracemalloc.start()
    try:
        for _ in range(5):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            run(x, out=y)
            # Several small arrays may live together; one of 64 KB would show in the peak on its own.
            assert tracemalloc.get_traced_memory()[1] - before < 2 * 65536
    finally:
        tracemalloc.stop()


def test_numpy_is_left_as_it_was() -> None:
    g = small()
    before = np.getbufsize(), np.geterr()
    compile(g, g.initial_weights(1), batch=8, threads=2)(pictures(8))
    assert (np.getbufsize(), np.geterr()) == before


def test_concurrent_calls_give_the_same_bits() -> None:
    g = small()
    run = compile(g, g.initial_weights(1), batch=8, threads=2)
    x = pictures(8)
    wanted, wrong = run(x), []

    def call() -> None:
        for _ in range(25):
            wrong.extend([1] if run(x).tobytes() != wanted.tobytes() else [])

    threads = [threading.Thread(target=call) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_a_batch_that_the_workers_cannot_share_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnndsl.program.regions.FORK_SECONDS", -1.0)
    g = small()
    w = g.initial_weights(1)
    for batch, threads in ((7, 2), (5, 3), (2, 4)):
        run = compile(g, w, batch=batch, threads=threads)
        judge = compile(g, w, target="reference", batch=batch)
        np.testing.assert_allclose(run(pictures(9)), judge(pictures(9)), rtol=0, atol=1e-5)


def test_one_picture_is_shared_among_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnndsl.program.regions.FORK_SECONDS", 0.0)
    g = small()
    w = g.initial_weights(1)
    run = compile(g, w, batch=1, threads=2)
    assert "workers=2" in run.source  # type: ignore[union-attr]
    np.testing.assert_allclose(run(pictures(3)), compile(g, w, target="reference")(pictures(3)), rtol=0, atol=1e-5)


def test_the_threads_end_with_the_network() -> None:
    g = small()
    before = threading.active_count()
    for _ in range(5):
        run = compile(g, g.initial_weights(1), batch=64, threads=2)
        run(pictures(64))
        del run
    gc.collect()
    for _ in range(100):
        if threading.active_count() <= before:
            break
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_a_training_step_is_the_reference_and_updates_in_place() -> None:
    from cnndsl.language.recipe import Sgd
    from cnndsl.training.step import compile_step

    g = small()
    w = g.initial_weights(1)
    labels = np.arange(8, dtype=np.int32) % 5
    keys: dict[str, Any] = {"loss": "cross_entropy(logits)", "optimizer": Sgd(0.01, 0.9), "batch": 8, "threads": 2}
    ours, judge = compile_step(g, w, **keys), compile_step(g, w, target="reference", **keys)
    kept = ours.state["conv1.weight"]
    for n in range(3):
        x = np.random.default_rng(n).standard_normal((8, 12, 12, 1)).astype(np.float32)
        assert abs(ours(x, labels) - judge(x, labels)) < 1e-5
    assert ours.state["conv1.weight"] is kept
    assert int(ours.state["step"]) == 3
    for name, wanted in judge.state.items():
        np.testing.assert_allclose(ours.state[name], wanted, rtol=0, atol=1e-4 * max(1.0, float(np.abs(wanted).max())))


def test_random_words_at_any_place_are_those_of_philox() -> None:
    from cnndsl.random import words
    from cnndsl.targets.numpy.kernels.random import random_bits

    for start in (0, 1, 3, 4, 7, 4096, 4099):
        out = np.zeros(37, np.uint64)
        random_bits(np.uint64(9), np.int64(5), out, stream=2**63 + 17, start=start)
        np.testing.assert_array_equal(out, words(np, 9, 5, 2**63 + 17, start, 37))


def test_a_step_takes_its_own_number_of_images_alone() -> None:
    """More would be left out without a word."""
    from cnndsl.training.step import compile_step

    step = compile_step(cnndsl.load("lenet5"), batch=8).executable
    images, labels = np.zeros((16, *step.graph.inputs["image"].type.sizes[1:]), np.float32), np.zeros(16, np.int32)
    others = {"image": images, "label": labels, "rate": np.float32(0.1), "seed": np.uint64(1)}
    given = [others[name] for name in step.program.inputs]
    with pytest.raises(ValueError, match="16 in its batch, a step is on 8"):
        step.network.step(*given)
