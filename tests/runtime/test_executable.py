"""Compiled networks as functions: right numbers, any number of images, many callers, no memory taken in steady state."""

from __future__ import annotations

import threading
import tracemalloc
from typing import Any

import numpy as np
import pytest

import cnndsl
from cnndsl.errors import CnnError
from tests.runtime.small_networks import plain, residual


def images(graph: Any, n: int, seed: int = 0) -> Any:
    shape = graph.inputs["image"].type.shape[1:]
    return np.random.default_rng(seed).normal(size=(n, *shape)).astype(np.float32)


def judged(graph: Any, weights: Any, x: Any) -> Any:
    from cnndsl.passes.context import Options
    from cnndsl.runtime.reference import ReferenceExecutable

    return ReferenceExecutable(graph, Options(), dtype="float64").load(weights)(x.astype(np.float64))


@pytest.mark.parametrize("make", [plain, residual])
@pytest.mark.parametrize(("batch", "threads"), [(1, 1), (4, 1), (4, 2), (3, 2), (1, 2)])
def test_equal_to_the_reference_for_any_number_of_images(make: Any, batch: int, threads: int) -> None:
    graph = make()
    w = graph.initial_weights(seed=1)
    run = cnndsl.compile(graph, w, batch=batch, threads=threads)
    for n in (1, 3, 4, 9):
        x = images(graph, n)
        y, wanted = run(x), judged(graph, w, x)
        assert y.shape == wanted.shape
        assert y.dtype == np.float32
        assert np.abs(y - wanted).max() <= 1e-4 * np.abs(wanted).max()


def wrong_bits(graph: Any, callers: int, runs: int, batch: int, threads: int) -> int:
    """How many of `runs` calls by each of `callers` threads, all of one executable, differ from the serial ones."""
    run = cnndsl.compile(graph, graph.initial_weights(), batch=batch, threads=threads)
    inputs = [images(graph, 1 + k % (2 * batch), k) for k in range(callers)]
    wanted = [run(x).tobytes() for x in inputs]
    wrong: list[int] = []
    begin = threading.Barrier(callers)

    def call(k: int) -> None:
        begin.wait()
        wrong.extend(k for _ in range(runs) if run(inputs[k]).tobytes() != wanted[k])

    callers_ = [threading.Thread(target=call, args=(k,)) for k in range(callers)]
    for t in callers_:
        t.start()
    for t in callers_:
        t.join()
    return len(wrong)


@pytest.mark.parametrize(("batch", "threads"), [(2, 2), (1, 2), (3, 1)])
def test_many_callers_get_the_serial_bits(batch: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small, and every batch cut between workers all the same, so that calls meet in the middle of regions."""
    monkeypatch.setattr("cnndsl.program.regions.FORK_SECONDS", -1.0)
    assert wrong_bits(residual(size=8), 16, 12, batch, threads) == 0


@pytest.mark.campaign
@pytest.mark.parametrize(("batch", "threads"), [(2, 2), (1, 2), (3, 1)])
@pytest.mark.parametrize("make", [residual, lambda: cnndsl.load("resnet20").graph], ids=["small", "resnet20"])
def test_sixteen_callers_of_a_thousand_runs_get_the_serial_bits(
    make: Any, batch: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every batch is cut between workers, here too."""
    monkeypatch.setattr("cnndsl.program.regions.FORK_SECONDS", -1.0)
    assert wrong_bits(make(), 16, 1000, batch, threads) == 0


def test_steady_state_takes_no_memory() -> None:
    graph = plain(size=64)
    run = cnndsl.compile(graph, graph.initial_weights(), batch=8, threads=1)
    x = images(graph, 8)
    out = np.empty((8, 10), np.float32)
    for _ in range(3):
        run(x, out=out)
    tracemalloc.start()
    try:
        for _ in range(7):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            run(x, out=out)
            assert tracemalloc.get_traced_memory()[1] - before < 64 * 1024
    finally:
        tracemalloc.stop()


def test_outputs_are_the_callers_own() -> None:
    graph = plain()
    run = cnndsl.compile(graph, graph.initial_weights(), batch=2)
    x = images(graph, 2)
    first = run(x)
    kept = first.copy()
    run(images(graph, 2, 7))
    assert np.array_equal(first, kept)
    out = np.empty_like(first)
    assert run(x, out=out) is out
    assert np.array_equal(out, first)


def test_inputs_are_converted_where_that_is_plainly_meant() -> None:
    graph = plain()
    run = cnndsl.compile(graph, graph.initial_weights(), batch=2)
    x = images(graph, 4)
    wanted = run(x)
    assert np.array_equal(run(x.astype(np.float64)), wanted)
    assert np.array_equal(run(np.asfortranarray(x)), wanted)
    assert np.array_equal(run(np.repeat(x, 2, axis=0)[::2]), wanted)
    assert np.array_equal(run(x.tolist()), wanted)
    assert np.array_equal(run(x[0]), wanted[:1])
    assert np.array_equal(run(image=x), wanted)
    assert run(x[:0]).shape == (0, 10)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (np.zeros((2, 9, 9, 1)), r"expected \(n, 12, 12, 1\)"),
        (np.zeros((2, 1, 12, 12)), "shape"),
        (np.array(["a"]), "not numbers"),
        (np.zeros((2, 12, 12, 1), complex), "not numbers"),
        ([[1], [2, 3]], "is no array"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(given: Any, says: str) -> None:
    graph = plain()
    run = cnndsl.compile(graph, graph.initial_weights(), batch=2)
    with pytest.raises(CnnError, match=says) as caught:
        run(given)
    assert caught.value.code == "E721"


def test_other_misuse_has_its_own_message() -> None:
    graph = plain()
    run = cnndsl.compile(graph, batch=2)
    x = images(graph, 2)
    with pytest.raises(CnnError, match="no weights yet"):
        run(x)
    run.load(graph.initial_weights())
    for wrong in ((), (x, x)):
        with pytest.raises(CnnError, match="takes image"):
            run(*wrong)
    with pytest.raises(CnnError, match="unknown input picture"):
        run(picture=x)
    with pytest.raises(CnnError, match="out does not fit"):
        run(x, out=np.empty((2, 11), np.float32))
    for key, value, code in (
        ("batch", 0, "E606"),
        ("threads", 0, "E606"),
        ("target", "abacus", "E607"),
        ("outputs", ["lgits"], "E203"),
    ):
        with pytest.raises(CnnError) as caught:
            cnndsl.compile(graph, **{key: value})
        assert caught.value.code == code


def test_named_values_can_be_returned() -> None:
    graph = plain()
    w = graph.initial_weights()
    p, logits = cnndsl.compile(graph, w, outputs=["output", "logits"], batch=2)(images(graph, 3))
    alone = cnndsl.compile(graph, w, outputs=["logits"], batch=2)(images(graph, 3))
    assert np.array_equal(alone, logits)
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert np.allclose(p, e / e.sum(axis=1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize("name", ["net", "n\x00\x1b[31m", "\ud800"])
def test_a_traceback_shows_the_emitted_line(name: str) -> None:
    import traceback

    from cnndsl.runtime.load import load_source

    module = load_source("def broken():\n    return 1 / 0  # here\n", name)
    try:
        module.broken()
    except ZeroDivisionError:
        found = traceback.format_exc()
        assert "1 / 0  # here" in found
        assert found.replace("\n", "").isprintable()
