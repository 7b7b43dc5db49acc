"""In steady state a run allocates no array of 64 KB or more: what kernels need besides, they have in their scratch."""

from __future__ import annotations

import math
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cnndsl
from cnndsl.targets.numpy.kernels.pointwise import erf

WORDS: dict[str, Callable[[Any], Any]] = {
    "gelu": lambda x: x.gelu(),
    "conv_gelu": lambda x: x.conv(16, (3, 3), pad=1).gelu(),
    "log_softmax": lambda x: x.log_softmax(),
    "even average": lambda x: x.avg_pool((2, 2)),
    "average with padding": lambda x: x.avg_pool((3, 3), stride=1, pad=1),
    "batch norm": lambda x: x.tanh().batch_norm(),
}


def most(call: Callable[[], Any]) -> int:
    """Bytes that calls 4 to 6 hold at once beyond what was there before."""
    for _ in range(3):
        call()
    found = 0
    tracemalloc.start()
    try:
        for _ in range(3):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            call()
            found = max(found, tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    return found


def largest(call: Callable[[], Any]) -> int:
    """Bytes that one line of each call, in the caller's thread, holds at once beyond what was there before it.

    Of three calls the least: Python takes memory of its own now and then, 100 KB for the table of lines of a long function
    that is watched for the first time.
    """
    for _ in range(3):
        call()
    found = before = 0

    def look(frame: Any, event: str, arg: Any) -> Any:
        nonlocal found, before
        now, peak = tracemalloc.get_traced_memory()
        found = max(found, peak - before) if before else 0
        before = now
        tracemalloc.reset_peak()
        return look

    tracemalloc.start()
    sys.settrace(look)
    each = []
    try:
        for _ in range(3):
            found = 0
            call()
            each.append(found)
    finally:
        sys.settrace(None)
        tracemalloc.stop()
    return min(each)


def test_a_line_that_allocates_is_seen() -> None:
    def call() -> None:
        x = np.zeros(100)
        y = np.zeros(100_000)
        x += y[:100]

    assert 800_000 <= largest(call) < 810_000


@pytest.mark.parametrize("word", WORDS)
def test_of_a_run(word: str) -> None:
    g = cnndsl.Graph("net")
    g.output(WORDS[word](g.input("x", (160, 160, 2))))
    run = cnndsl.compile(g, g.initial_weights(0), batch=2, threads=1)
    x = np.random.default_rng(0).standard_normal((2, 160, 160, 2)).astype(np.float32)
    out = run(x)
    assert most(lambda: run(x, out=out)) < 64 * 1024


@pytest.mark.parametrize("word", WORDS)
def test_of_a_step(word: str) -> None:
    """Also the loss of many positions with few classes, and its gradient."""
    g = cnndsl.Graph("net")
    g.output(WORDS[word](g.input("x", (160, 160, 2))).conv(3, (1, 1), name="scores"))
    step = cnndsl.compile_step(
        g,
        loss="cross_entropy(scores, label_smoothing = 0.1)",
        optimizer=cnndsl.sgd(rate=0.01, momentum=0.9),
        batch=2,
        threads=1,
    )
    x = np.random.default_rng(0).standard_normal((2, 160, 160, 2)).astype(np.float32)
    labels = np.zeros(step.graph.inputs["label"].type.sizes, np.int32)
    assert most(lambda: step(x, labels)) < 64 * 1024


@pytest.mark.parametrize("loss", ["mse(out)", "mse(out, mask = mask)"])
def test_of_a_step_towards_an_image(loss: str) -> None:
    g = cnndsl.Graph("net")
    x = g.input("x", (160, 160, 2))
    g.output(x.conv(2, (3, 3), pad=1, name="out"))
    step = cnndsl.compile_step(g, loss=loss, optimizer=cnndsl.sgd(rate=0.01), batch=2, threads=1)
    given = {n: np.ones(v.type.sizes, v.type.dtype) for n, v in step.graph.inputs.items() if n not in ("rate", "seed")}
    assert most(lambda: step(given)) < 64 * 1024


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_error_function(dtype: str) -> None:
    """Close, odd, in place, with infinities and NaN."""
    x = np.concatenate([np.linspace(-6, 6, 4001), [0.0, 1e-30, np.inf, 1e30]]).astype(dtype)
    with np.errstate(over="ignore"):
        y = erf(x)
        assert y.dtype == dtype
        assert np.abs(y - [math.erf(v) for v in x]).max() <= 4e-7
        assert np.array_equal(erf(-x), -y)
        place = x.copy()
        assert erf(place, place, np.empty_like(x), np.empty_like(x)) is place
        assert np.array_equal(place, y)
    assert np.isnan(erf(np.array([np.nan], dtype))).all()
