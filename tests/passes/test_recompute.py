"""Making activations again: the same bits, less memory; what is kept; and the search for what fits a bound."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cnndsl.errors import CnnError
from cnndsl.graph.graph import Graph
from cnndsl.language.recipe import Sgd, parse_loss
from cnndsl.passes.context import Context, Log, Options
from cnndsl.passes.dead_code import dead_code
from cnndsl.passes.recompute import recompute
from cnndsl.program.check import check
from cnndsl.runtime.compile import lower
from cnndsl.runtime.fit import needed, parse_bytes
from cnndsl.targets.reference.interpreter import evaluate
from cnndsl.training.step import build_step, compile_step
from tests.passes.networks import inputs, weights, words

BATCH = 8
DEGREES = (0.5, 1.0, 2.0, 3.0)


def tower(depth: int = 6) -> Graph:
    """Residual units whose activations are the most of what a step keeps; dropout, so that random numbers come twice."""
    g = Graph("tower")
    x = g.input("image", (16, 16, 3)).conv(16, (3, 3), pad=1, bias=False).batch_norm().relu()
    for _ in range(depth):
        y = x.conv(16, (3, 3), pad=1, bias=False).batch_norm().relu().dropout(0.3)
        x = x.add(y.conv(16, (3, 3), pad=1, bias=False).batch_norm()).relu()
    g.output(x.global_avg_pool().dense(5, name="logits"))
    return g


def step(depth: int = 6) -> Graph:
    graph = build_step(tower(depth), parse_loss("cross_entropy(logits)"), Sgd(0.1, 0.9), BATCH)
    return dead_code(graph, context())


def context(degree: float = 0.0, training: bool = True) -> Context:
    return Context(None, Options(batch=BATCH, training=training, recompute=degree), Log())


@pytest.mark.parametrize("degree", DEGREES)
def test_the_bits_stay(degree: float) -> None:
    before = step(2)
    after = recompute(before, context(degree))
    assert len(after.nodes) > len(before.nodes)
    state, given = weights(before), inputs(before)
    given["label"] = given["label"] % 5
    for old, new in zip(evaluate(before, given, state), evaluate(after, given, state), strict=True):
        for name in old:
            np.testing.assert_array_equal(new[name], old[name])


def test_cheap_values_are_made_again_and_convolutions_are_not() -> None:
    before = step()
    after = recompute(before, context(1.0))
    assert words(after).count("conv") == words(before).count("conv")
    assert words(after).count("batch_norm") > words(before).count("batch_norm")
    far = recompute(before, context(2.0))
    assert words(far).count("conv") > words(before).count("conv")


def test_what_only_moves_numbers_is_cheap_too() -> None:
    g = Graph("g")
    x = g.input("image", (16, 16, 3)).conv(16, (3, 3), pad=1).relu()
    y = x.concat(x.conv(16, (3, 3), pad=1).relu()).conv(16, (3, 3), pad=1)
    g.output(y.crop(amount=1).conv(16, (1, 1)).upsample(2).conv(8, (3, 3)).global_avg_pool().dense(5, name="logits"))
    before = dead_code(build_step(g, parse_loss("cross_entropy(logits)"), Sgd(0.1, 0.9), BATCH), context())
    after = recompute(before, context(1.0))
    for word in ("concat", "crop", "resample"):
        assert words(after).count(word) > words(before).count(word), word


def test_what_is_told_is_what_the_gradients_read() -> None:
    """That of a relu reads what the relu gives: the sum in front of it is nothing that anybody keeps."""
    ctx = context(1.0)
    recompute(step(), ctx)
    told = " ".join(e.what for e in ctx.log.entries)
    assert "relu made again" in told and "add made again" not in told


def test_each_degree_needs_less_memory() -> None:
    graph = build_step(tower(), parse_loss("cross_entropy(logits)"), Sgd(0.1, 0.9), BATCH)
    sizes = []
    for degree in (0.0, 0.5, 1.0, 2.0):
        options = Options(batch=BATCH, workers=2, training=True, recompute=degree)
        program = lower(graph, target="numpy", options=options)[0]
        assert check(program) == []
        sizes.append(program.arena_bytes)
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < 0.7 * sizes[0]


def test_what_it_leaves_alone() -> None:
    graph = step()
    assert recompute(graph, context(0.0)) is graph
    assert recompute(graph, context(1.0, training=False)) is graph


def test_the_least_that_fits() -> None:
    graph = build_step(tower(3), parse_loss("cross_entropy(logits)"), Sgd(0.1, 0.9), BATCH)
    options = Options(batch=BATCH, workers=2, training=True)
    whole = needed(lower(graph, target="numpy", options=options)[0])
    least = needed(lower(graph, target="numpy", options=replace(options, recompute=2.0))[0])
    for most in (whole, (whole + least) // 2, least):
        program, _, log = lower(graph, target="numpy", options=replace(options, max_memory=most))
        assert needed(program) <= most
        made_again = [e for e in log.entries if e.step == "recompute" and not e.why]
        assert bool(made_again) == (most < whole)
    with pytest.raises(CnnError) as e:
        lower(graph, target="numpy", options=replace(options, max_memory=least // 4))
    assert e.value.code == "E605" and "more than the" in str(e.value)


def test_a_step_under_a_bound_learns_the_same() -> None:
    net = tower(3)
    start = net.initial_weights(0)
    rng = np.random.default_rng(0)
    images = rng.standard_normal((BATCH, 16, 16, 3)).astype(np.float32)
    labels = rng.integers(0, 5, BATCH).astype(np.int32)
    found: list[dict[str, Any]] = []
    sizes: list[int] = []
    most: int | None = None
    for _ in range(2):
        made = compile_step(net, start, loss="cross_entropy(logits)", optimizer=Sgd(0.01, 0.9), batch=BATCH, max_memory=most)
        for _ in range(2):
            made(images, labels)
        found.append(made.weights)
        sizes.append(needed(made.executable.program))
        most = sizes[0] - 1
    assert sizes[1] < sizes[0]
    for name, x in found[0].items():
        assert np.abs(found[1][name] - x).max() <= 1e-3 * max(1e-3, float(np.abs(x).max())), name


@pytest.mark.parametrize(
    ("text", "bytes"), [("2GB", 2 * 10**9), ("1.5 MiB", 3 * 2**19), ("700", 700), (12, 12), ("64kb", 64_000)]
)
def test_amounts(text: Any, bytes: int) -> None:
    assert parse_bytes(text) == bytes


@pytest.mark.parametrize("text", ["", "2 apples", "-1GB", "0", "1e9", "GB", "9" * 40])
def test_amounts_that_are_none(text: str) -> None:
    with pytest.raises(CnnError) as e:
        parse_bytes(text)
    assert e.value.code == "E606"
