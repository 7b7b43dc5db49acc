"""Work shared between threads: shares that do not divide the batch, interruptions, forks, arrays of the caller's."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import cnndsl
from cnndsl import Graph
from cnndsl.errors import CnnError
from tests.tolerances import close

UNEVEN = [(5, 4), (4, 3), (9, 8), (10, 8), (6, 4), (33, 16), (3, 3), (2, 4)]


@pytest.fixture(autouse=True)
def _always_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regions of several workers however small the work."""
    monkeypatch.setattr("cnndsl.program.regions.FORK_SECONDS", 0)


def network() -> Graph:
    g = Graph("net")
    x = g.input("x", (12, 11, 4)).conv(6, (3, 3), pad="same").batch_norm().relu()
    x = x.add(x.conv(6, (3, 3), pad="same").dropout(0.2)).max_pool((2, 2))
    g.output(x.concat(x.avg_pool((3, 3), stride=1, pad=1)).global_avg_pool().dense(4, name="logits"))
    return g


@pytest.mark.parametrize(("batch", "threads"), UNEVEN)
def test_shares_of_different_sizes(batch: int, threads: int) -> None:
    """Inference and four training steps on several workers are those on one."""
    g, rng = network(), np.random.default_rng(0)
    weights = g.initial_weights(0)
    images, labels = rng.standard_normal((batch, 12, 11, 4)).astype(np.float32), (np.arange(batch) % 4).astype(np.int32)
    alone = cnndsl.compile(g, weights, batch=batch, threads=1)(images)
    close(cnndsl.compile(g, weights, batch=batch, threads=threads)(images), alone, 1e-5)
    found = []
    for workers in (threads, 1):
        step = cnndsl.compile_step(
            g, weights, loss="cross_entropy(logits)", optimizer=cnndsl.sgd(rate=0.05), batch=batch, threads=workers
        )
        found.append(([step(images, labels) for _ in range(4)], step.weights))
    close(found[0][0], found[1][0], 1e-4)
    for name, x in found[1][1].items():
        assert np.abs(found[0][1][name] - x).max() <= 1e-4, name


@pytest.fixture
def alarm() -> Iterator[Any]:
    """`alarm(seconds)`: a KeyboardInterrupt in the main thread after so long."""

    def ring(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, ring)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_after_an_interruption_the_next_call_is_right(alarm: Any) -> None:
    g, rng = Graph("long"), np.random.default_rng(0)
    x = g.input("x", (48, 48, 8))
    for _ in range(4):
        x = x.conv(24, (3, 3), pad="same").relu()
    g.output(x.flatten().dense(4))
    run = cnndsl.compile(g, g.initial_weights(0), batch=8, threads=2)
    images = [rng.standard_normal((8, 48, 48, 8)).astype(np.float32) for _ in range(3)]
    want = [run(x).copy() for x in images]
    interrupted = 0
    for k in range(40):
        try:
            alarm(0.0005 + 0.02 * rng.random())
            run(images[0])
        except KeyboardInterrupt:
            interrupted += 1
        finally:
            alarm(0)
        assert np.array_equal(run(images[1 + k % 2]), want[1 + k % 2])
    assert interrupted


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own() -> None:
    g = network()
    run = cnndsl.compile(g, g.initial_weights(0), batch=4, threads=2)
    images = np.ones((4, 12, 11, 4), np.float32)
    want = run(images)
    child = os.fork()
    if child == 0:
        threading.Timer(20, lambda: os._exit(3)).start()
        os._exit(0 if np.array_equal(run(images), want) else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_results_go_where_the_caller_says() -> None:
    """Also into arrays with gaps, full batches and the last one."""
    g = network()
    run = cnndsl.compile(g, g.initial_weights(0), batch=2, threads=1)
    images = np.random.default_rng(1).standard_normal((5, 12, 11, 4)).astype(np.float32)
    wide = np.full((5, 8), 7, np.float32)
    given = wide[:, ::2]
    found = run(images, out=given)
    assert found is given
    assert np.array_equal(given, run(images))
    assert (wide[:, 1::2] == 7).all()


def test_a_step_of_several_inputs_takes_them_by_name() -> None:
    g = Graph("two")
    x, z = g.input("x", (4, 4, 1)), g.input("z", (4, 4, 1))
    g.output(x.concat(z.scale(3)).flatten().dense(3, name="logits"))
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((2, 4, 4, 1)).astype(np.float32) for _ in range(2))
    labels = np.array([0, 2], np.int32)
    step = cnndsl.compile_step(g, loss="cross_entropy(logits)", optimizer=cnndsl.sgd(rate=0.1), batch=2)
    with pytest.raises(CnnError, match="which of them the images are is not known"):
        step(a, labels)
    with pytest.raises(CnnError, match="z is missing"):
        step({"x": a}, labels)
    with pytest.raises(CnnError, match="q is no input of this step"):
        step({"x": a, "z": b, "q": b}, labels)
    before = step.weights
    logits = np.concatenate([a, 3 * b], -1).reshape(2, -1) @ before["logits.weight"] + before["logits.bias"]
    shifted = logits - logits.max(1, keepdims=True)
    loss = -np.mean((shifted - np.log(np.exp(shifted).sum(1, keepdims=True)))[[0, 1], labels])
    assert step({"x": a, "z": b, "label": labels}) == pytest.approx(loss, rel=1e-5)


def test_a_head_that_the_loss_leaves_out_keeps_its_weights() -> None:
    net = cnndsl.load_text("""
model side {
    input image: 6x6x2
    conv(3, 3x3) -> relu
    head aux { flatten -> dense(4) }
    flatten
    dense(4) as logits
}
""")
    weights = net.initial_weights(3)
    step = cnndsl.compile_step(net, weights, loss="cross_entropy(logits)", optimizer=cnndsl.sgd(rate=0.1), batch=2)
    step(np.ones((2, 6, 6, 2), np.float32), np.array([1, 2], np.int32))
    assert set(step.weights) == set(weights)
    assert np.array_equal(step.weights["aux.dense.weight"], weights["aux.dense.weight"])
    assert not np.array_equal(step.weights["conv.weight"], weights["conv.weight"])


@pytest.mark.parametrize("name", ["self", "scratch", "a", "net", "worker", "out", "y", "x0", "t1", "np", "lo", "step", "label"])
def test_any_name_of_an_input(name: str) -> None:
    g = Graph("n")
    g.output(g.input(name, (4, 4, 1)).tanh().flatten().dense(3, name="logits").sigmoid())
    x = np.random.default_rng(0).standard_normal((2, 4, 4, 1)).astype(np.float32)
    kept = x.copy()
    weights = g.initial_weights(0)
    close(cnndsl.compile(g, weights, batch=2)(x), cnndsl.compile(g, weights, batch=2, target="reference")(x), 1e-5)
    assert np.array_equal(x, kept)


@pytest.mark.parametrize("name", ["rate", "seed"])
def test_names_that_a_step_needs_for_itself(name: str) -> None:
    g = Graph("n")
    g.output(g.input(name, (4,)).dense(3, name="logits"))
    with pytest.raises(CnnError, match="the name of an input of every training step"):
        cnndsl.compile_step(g, loss="cross_entropy(logits)", optimizer=cnndsl.sgd(rate=0.1), batch=2)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("batch", [1, 2])
def test_gates_of_one_channel(channels: int, batch: int) -> None:
    g = Graph("gate")
    x = g.input("x", (9, 8, channels))
    g.output(x.tanh().multiply(x.global_avg_pool().dense(channels).sigmoid()))
    weights, images = g.initial_weights(0), np.random.default_rng(0).standard_normal((3, 9, 8, channels)).astype(np.float32)
    want = cnndsl.compile(g, weights, batch=batch, target="reference")(images)
    close(cnndsl.compile(g, weights, batch=batch)(images), want, 1e-5)


def test_what_is_not_there_is_told() -> None:
    g = network()
    weights, images = g.initial_weights(0), np.ones((1, 12, 11, 4), np.float32)
    with pytest.raises(CnnError, match="has no size named Q"):
        cnndsl.compile(g, weights, sizes={"Q": 3})
    with pytest.raises(CnnError, match="did you mean fuse"):
        cnndsl.compile(g, weights, without=("fusee",))
    with pytest.raises(CnnError, match="x is given twice"):
        cnndsl.compile(g, weights)(images, x=images)
