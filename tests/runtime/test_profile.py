"""A profile counts every kernel, changes no result, and adds up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cnndsl
from cnndsl.runtime.limits import Limits
from cnndsl.runtime.profile import Profile, Recorder, profile
from cnndsl.targets.numpy.marks import END
from cnndsl.training.step import compile_step
from cnndsl.view.summary import graph_summary
from tests.runtime.small_networks import plain, residual

LIMITS = Limits(2, 100.0, 200.0, ((1000, 50.0), (10**8, 5.0)), (40.0, 4.0), (50.0, 5.0))


def of_inference(batch: int, threads: int) -> tuple[Profile, Any, Any]:
    g = residual()
    run = cnndsl.compile(g, g.initial_weights(0), batch=batch, threads=threads)
    images = np.random.default_rng(0).normal(size=(batch, 32, 32, 3)).astype(np.float32)
    before = run(images)
    found = profile(run, lambda: run(images), LIMITS, runs=2)
    assert np.array_equal(run(images), before)
    return found, run, images


@pytest.mark.parametrize(("batch", "threads"), [(1, 1), (1, 2), (8, 2), (7, 3)])
def test_inference(batch: int, threads: int) -> None:
    found, run, _ = of_inference(batch, threads)
    kernels = run.program.run.kernels
    assert [k.name for k in found.kernels] == [k.name for k in kernels]
    assert all(k.seconds > 0 for k in found.kernels)
    assert set(found.rest) == {"waiting", "sums", "copies", "call"}
    cut = [r.workers > 1 for r in run.program.run.regions for _ in r.kernels]
    assert [k.cut for k in found.kernels] == cut
    assert all(len(k.workers) == threads and min(k.workers) > 0 for k in found.kernels if k.cut)
    assert found.accounted == pytest.approx(found.kernel_seconds + sum(found.rest.values()))
    assert run.network.__class__.__module__ == run.module.__name__  # the one without marks is in its place again


def test_operations_and_bytes_are_the_whole_batch_whoever_does_them() -> None:
    (one, *_), (two, *_) = of_inference(8, 1), of_inference(8, 2)
    assert [(k.operations, k.bytes, k.multiply_adds) for k in one.kernels] == [
        (k.operations, k.bytes, k.multiply_adds) for k in two.kernels
    ]
    assert sum(k.multiply_adds for k in one.kernels) == 8 * (graph_summary(residual()).multiply_adds or 0)
    for k in one.kernels:
        assert k.least == pytest.approx(max(k.operations / 200e9, k.bytes / (1e9 * LIMITS.bandwidth(k.bytes))))
        assert k.share == pytest.approx(k.least / k.seconds)
        assert k.gflops * k.seconds * 1e9 == pytest.approx(k.operations)
        assert k.bandwidth * k.seconds * 1e9 == pytest.approx(k.bytes)


def test_a_training_step_goes_on_from_where_the_profile_left_it() -> None:
    step = compile_step(plain(), loss="cross_entropy(logits)", batch=6, threads=2)
    images = np.random.default_rng(0).normal(size=(6, 12, 12, 1)).astype(np.float32)
    labels = np.arange(6, dtype=np.int32)
    found = profile(step.executable, lambda: step(images, labels), LIMITS, runs=1)
    counted = int(step.state["step"])
    assert counted == 3 * (2 + 1)  # alone, then in turns with marks: two that warm up and one that counts
    step(images, labels)
    assert int(step.state["step"]) == counted + 1
    assert len(found.kernels) == len(step.executable.program.run.kernels)
    assert found.program.training


def test_times_of_a_course() -> None:
    r = Recorder(1)
    r.tracks[0] = [(3, 0), (4, 1000), (END, 5000), (3, 7000), (END, 8000)]
    assert r.times(0) == pytest.approx({3: 2e-6, 4: 4e-6})
    assert r.times(1) == {}


def test_a_failing_call_leaves_the_network_without_marks() -> None:
    g = plain()
    run = cnndsl.compile(g, g.initial_weights(0), batch=1, threads=1)
    mine, calls = run.network, []

    def call() -> None:
        calls.append(run.network)
        if run.network is not mine:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        profile(run, call, LIMITS, runs=1)
    assert run.network is mine
    assert calls[-1] is not mine
