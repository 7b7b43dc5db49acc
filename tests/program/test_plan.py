"""Plans: no two living arrays share a byte, by the independent judge; and the judge sees planted mistakes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import cnndsl
from cnndsl.errors import CnnError
from cnndsl.graph.graph import Graph, State
from cnndsl.graph.types import TensorType
from cnndsl.passes.context import Options
from cnndsl.program.check import check
from cnndsl.program.describe import describe, statistics
from cnndsl.program.plan import plan
from cnndsl.program.program import Program, Region
from cnndsl.runtime.compile import lower
from tests.program.plans import Paper, bound, branches, chain, step


@pytest.fixture
def always_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnndsl.program.regions.FORK_SECONDS", -1.0)


SIZES = [(1, 1), (4, 1), (4, 2), (5, 2), (5, 3), (3, 4), (7, 4)]


@pytest.mark.parametrize(("batch", "workers"), SIZES)
@pytest.mark.parametrize("seconds", [0.0, 1.0], ids=["cheap", "dear"])
@pytest.mark.parametrize("make", [chain, branches])
def test_no_bytes_are_shared_while_both_are_needed(make: object, seconds: float, batch: int, workers: int) -> None:
    program = plan(bound(make(), batch), Paper(seconds), batch, workers)  # type: ignore[operator]
    assert check(program) == []


@pytest.mark.parametrize(("batch", "workers"), SIZES)
def test_a_training_step_is_planned_soundly(batch: int, workers: int) -> None:
    program = plan(step(batch), Paper(), batch, workers, training=True)
    assert check(program) == []


def moved(program: Program, name: str, offset: int) -> Program:
    """The plan with one array laid elsewhere."""

    def mend(region: Region) -> Region:
        kernels = tuple(
            replace(
                k,
                inputs=tuple(replace(b, offset=offset) if b.name == name else b for b in k.inputs),
                outputs=tuple(replace(b, offset=offset) if b.name == name else b for b in k.outputs),
            )
            for k in region.kernels
        )
        return replace(region, kernels=kernels)

    return replace(program, run=replace(program.run, regions=tuple(map(mend, program.run.regions))))


def test_the_judge_sees_planted_overlaps() -> None:
    program = plan(bound(branches(), 4), Paper(), 4, 1)
    arena = [b for k in program.run.kernels for b in k.outputs if b.space == "arena"]
    caught = sum(bool(check(moved(program, b.name, c.offset))) for b in arena for c in arena if b.offset != c.offset)
    tried = sum(b.offset != c.offset for b in arena for c in arena)
    assert tried > 10
    assert caught > tried // 2  # some places are free by chance
    several = plan(bound(chain(), 4), Paper(), 4, 2)
    local = next(b for k in several.run.kernels for b in k.outputs if b.local)
    kernels = tuple(
        replace(k, inputs=tuple(replace(b, local=0) for b in k.inputs), outputs=tuple(replace(b, local=0) for b in k.outputs))
        for k in several.run.regions[0].kernels
    )
    shared = replace(several, run=replace(several.run, regions=(replace(several.run.regions[0], kernels=kernels),)))
    assert local.local
    assert check(shared)


def test_a_chain_needs_two_arrays_however_long() -> None:
    short, long = (plan(bound(chain(n), 2), Paper(), 2, 1) for n in (4, 40))
    assert long.arena_bytes == short.arena_bytes == 2 * 2 * 8 * 8 * 4 * 4


def test_what_works_number_by_number_is_written_over_what_it_reads() -> None:
    program = plan(bound(chain(4), 2), Paper(), 2, 1)
    kernels = program.run.kernels
    pairs = [(a.outputs[0], b.outputs[0]) for a, b in pairwise(kernels) if b.node.op.name == "relu" and b is not kernels[-1]]
    assert len(pairs) == 3 and all(a.offset == b.offset for a, b in pairs)


def test_an_update_is_written_over_its_state() -> None:
    program = plan(step(), Paper(), 4, 1, training=True)
    assert program.copies == ()
    written = {b.slot for k in program.run.kernels for b in k.outputs if b.space == "state"}
    assert written == {"w", "w.velocity"}


def two_states() -> Graph:
    g = Graph("two")
    a, b = (g.add_state(State(n, TensorType((3,)))) for n in "ab")
    g.update("a", g.pointwise(lambda e, p, q: p + q, a, b))
    g.update("b", g.pointwise(lambda e, p, q: p - q, b, a))
    g.output(g.pointwise(lambda e, p: p * 2.0, a), "twice")
    return g


def test_an_update_waits_for_readers_of_the_old_value() -> None:
    program = plan(two_states(), Paper(), 1, 1, training=True)
    assert check(program) == []
    assert [c.target.slot for c in program.copies] == ["a"]


def test_a_state_that_is_an_update_of_another_is_read_before_it_changes() -> None:
    g = Graph("shift")
    a, b = (g.add_state(State(n, TensorType((3,)))) for n in "ab")
    g.update("a", b)
    g.update("b", g.pointwise(lambda e, p: p + 1.0, b))
    g.output(a, "before")
    program = plan(g, Paper(), 1, 1, training=True)
    assert check(program) == []


@pytest.mark.parametrize("target", ["numpy", "reference"])
def test_outputs_that_are_inputs_states_or_each_other(target: str) -> None:
    """Each gets an array of its own, under one name; the caller may write into one without changing another."""
    g = Graph("same")
    x = g.input("image", (4, 4, 2))
    g.output(x)
    g.output(x, "again")
    g.output(x.flatten(), "flat")
    y = x.relu()
    g.output(y, "positive")
    g.output(y, "positive_out")
    g.output(y.flatten(), "flat_positive")
    image = np.linspace(-1, 1, 3 * 32, dtype=np.float32).reshape(3, 4, 4, 2)
    run = cnndsl.compile(g, target=target, batch=3)
    got = dict(zip(run.output_names, run(image), strict=True))
    for name, expected in {"output": image, "again": image, "positive": np.maximum(image, 0)}.items():
        np.testing.assert_array_equal(got[name], expected)
    np.testing.assert_array_equal(got["flat"], image.reshape(3, -1))
    np.testing.assert_array_equal(got["positive_out"], got["positive"])
    np.testing.assert_array_equal(got["flat_positive"], got["positive"].reshape(3, -1))


def test_a_weight_that_is_only_given_back_is_kept() -> None:
    g = Graph("g")
    g.output(g.add_state(State("w", TensorType((3,), "float32"))), "weight")
    g.output(g.input("x", (3,)).relu(), "y")
    w = np.arange(3, dtype=np.float32)
    found = cnndsl.compile(g, {"w": w}, batch=2)(np.ones((2, 3), np.float32))
    np.testing.assert_array_equal(found[0], w)


def test_states_that_change_places_are_refused() -> None:
    g = Graph("swap")
    a, b = (g.add_state(State(n, TensorType((3,)))) for n in "ab")
    g.update("a", b)
    g.update("b", a)
    with pytest.raises(CnnError, match="exchange their states"):
        plan(g, Paper(), 1, 1, training=True)


def test_what_depends_on_weights_alone_is_prepared() -> None:
    g = Graph("folded")
    x = g.input("image", (4, 4, 2))
    w = g.add_state(State("w", TensorType((1, 1, 2, 2))))
    s = g.add_state(State("s", TensorType((2,))))
    folded = g.pointwise(lambda e, a, b: a * b, w, s)
    g.output(g.conv(x, folded, filters=2, kernel=(1, 1), bias=False))
    g.output(g.pointwise(lambda e, b: b + 1.0, s), "more")
    ready = bound(g, 2)
    program = plan(ready, Paper(), 2, 1)
    assert [k.node.op.name for k in program.prepare.kernels] == ["pointwise"]
    assert len(program.run.kernels) == 2
    assert program.prepared_bytes == 64
    assert check(program) == []
    assert plan(ready, Paper(), 2, 1, training=True).prepare.kernels == ()


def test_a_total_is_read_after_its_join() -> None:
    program = plan(step(8), Paper(), 8, 2, training=True)
    assert sum(len(r.joins) for r in program.run.regions) == 2
    for region in program.run.regions:
        totals = {j.total.name for j in region.joins}
        assert not totals & {b.name for k in region.kernels for b in k.inputs}


def dead_sum(g: Graph) -> None:
    y = g.input("image", (8, 8, 3)).conv(4, (3, 3))
    g.reduce_sum(y, axes=(0, 1, 2))
    g.output(y.relu())


def dead_join(g: Graph) -> None:
    """Its first part is made in one region, its second behind sums over all images, in another."""
    x = g.input("image", (8, 8, 3))
    first, y = x.conv(2, (1, 1)), x.conv(3, (3, 3), pad=1)
    mean = g.reduce_sum(y, axes=(0, 1, 2))
    centred = g.pointwise(lambda e, a, b: a - b, y, mean)
    g.concat(first, centred.conv(2, (1, 1)))
    g.output(centred.conv(4, (3, 3)).conv(4, (3, 3)))


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("build", [dead_sum, dead_join])
def test_what_nobody_reads_has_its_place_too(build: Callable[[Graph], None], workers: int, always_shared: None) -> None:
    """Where dead code is left in, and every batch is cut between workers."""
    g = Graph("dead")
    build(g)
    options = Options(batch=6, workers=workers, without=frozenset({"dead_code", "fuse", "winograd"}))
    program = lower(g, target="numpy", options=options)[0]
    assert len(program.run.regions) == (1 if workers == 1 else 2 if build is dead_join else 1)
    assert check(program) == []


def test_results_are_called_by_what_they_are() -> None:
    g = Graph("named")
    mean, variance = g.moments(g.input("image", (4, 4, 2)))
    g.output(mean.relu().concat(variance.relu()))
    names = [b.name for k in plan(bound(g, 2), Paper(), 2, 1).run.kernels for b in k.outputs]
    assert names[:2] == ["moments_batch_mean", "moments_batch_variance"]


def test_what_is_fused_is_planned_for_any_target() -> None:
    """One that does not say whether it adds in place keeps a sum apart from what it adds to."""
    g = Graph("residual")
    x = g.input("image", (8, 8, 4)).relu()
    g.output(x.tanh().conv(4, (1, 1)).add(x).global_avg_pool())
    program = plan(lower(g, target="numpy", options=Options(batch=2))[0].graph, Paper(), 2, 1)
    assert any(k.node.op.name == "fused" for k in program.run.kernels)
    assert check(program) == []


def test_a_sum_that_nobody_reads_is_no_share_of_images(always_shared: None) -> None:
    """Its 99 numbers do not divide among 100 images: two workers' shares of them would be 12 bytes too few."""
    g = Graph("dead")
    x = g.input("image", (99,))
    g.reduce_sum(x, axes=(0,))
    g.output(x.relu())
    options = Options(batch=100, workers=2, without=frozenset({"dead_code", "fuse"}))
    program = lower(g, target="numpy", options=options)[0]
    (region,) = program.run.regions
    assert region.workers == 2 and region.joins[0].total.local == 0
    assert check(program) == []


def test_cheap_kernels_are_not_shared() -> None:
    assert [r.workers for r in plan(bound(chain(), 8), Paper(0.0), 8, 4).run.regions] == [1]
    assert [r.workers for r in plan(bound(chain(), 8), Paper(1.0), 8, 4).run.regions] == [4]


def test_the_same_graph_gives_the_same_plan() -> None:
    first, second = (describe(plan(bound(branches(), 4), Paper(), 4, 2)) for _ in range(2))
    assert first == second


def test_description_and_sums() -> None:
    program = plan(bound(branches(), 2), Paper(), 2, 1)
    s = statistics(program)
    assert s.kernels == len(program.run.kernels)
    assert s.multiply_adds == 2 * (8 * 8 * 8 * 27 + 8 * 8 * 8 * 72 + 8 * 8 * 32 + 4 * 4 * 20 * 5)
    text = describe(program)
    assert all(k.name in text for k in program.run.kernels)
    assert "arena" in text
