"""Branches of a concat write straight into their channels, where that is possible, and only there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import cnndsl
import cnndsl.ops
from cnndsl.graph.graph import Graph, Value
from cnndsl.graph.types import TensorType
from cnndsl.passes.context import Options
from cnndsl.program.check import check
from cnndsl.program.program import Buffer, Program
from cnndsl.runtime.compile import lower
from cnndsl.runtime.reference import ReferenceExecutable
from tests.tolerances import NETWORK, close


def inception(kernel: int = 1) -> tuple[Graph, list[Value]]:
    g = Graph("inception")
    x = g.input("image", (8, 8, 3))
    one = x.conv(4, (1, 1)).relu()
    three = x.conv(3, (kernel, kernel), pad="same").tanh()
    pool = x.max_pool((3, 3), stride=1, pad="same")
    y = g.concat(one, three, pool)
    g.output(y.conv(5, (3, 3)).global_avg_pool())
    return g, [one, three, pool]


def planned(g: Graph, batch: int, workers: int) -> Program:
    return lower(g, target="numpy", options=Options(batch=batch, workers=workers))[0]


@pytest.mark.parametrize(("batch", "workers"), [(1, 1), (1, 2), (4, 1), (5, 2)])
def test_branches_lie_inside_the_wide_array(batch: int, workers: int) -> None:
    g, _ = inception()
    program = planned(g, batch, workers)
    assert not [k.name for k in program.run.kernels if k.node.op.name == "concat"]
    parts = [b for k in program.run.kernels for b in k.outputs if b.strides is not None]
    assert [b.type.sizes[-1] for b in parts] == [4, 3, 3]
    assert [b.offset - parts[0].offset for b in parts] == [0, 16, 28]
    assert check(program) == []
    w = g.initial_weights(3)
    images = np.random.default_rng(0).standard_normal((batch, 8, 8, 3)).astype(np.float32)
    found = cnndsl.compile(g, w, batch=batch, threads=workers)(images)
    truth = ReferenceExecutable(g, Options(), "float64").load(w)(images)
    close(found, truth, NETWORK)


def test_a_product_of_several_outputs_a_row_cannot_leave_gaps() -> None:
    g, _ = inception(kernel=3)
    program = planned(g, 2, 1)
    assert [k.node.op.name for k in program.run.kernels].count("concat") == 1
    w = g.initial_weights(3)
    images = np.random.default_rng(0).standard_normal((2, 8, 8, 3)).astype(np.float32)
    close(cnndsl.compile(g, w, batch=2)(images), ReferenceExecutable(g, Options(), "float64").load(w)(images), NETWORK)


def test_a_branch_that_is_read_elsewhere_is_copied() -> None:
    g, (one, *_) = inception()
    g.output(one, "one")
    assert [k.node.op.name for k in planned(g, 2, 1).run.kernels].count("concat") == 1


@pytest.mark.parametrize("part", ["input", "view", "state"])
def test_what_no_kernel_makes_is_copied(part: str) -> None:
    g = Graph("given")
    x = g.input("image", (8, 8, 4))
    other = {"input": x, "view": x.relu().reshape((8, 8, 4)), "state": x.conv(4, (1, 1))}[part]
    if part == "state":
        other = g.state_values["conv.weight"]
        g.output(g.concat(other, g.pointwise(lambda e, a: a * 2.0, other)))
    else:
        g.output(g.concat(other, x.tanh()).conv(3, (1, 1)))
    program = planned(g, 2, 1)
    assert [k.node.op.name for k in (*program.prepare.kernels, *program.run.kernels)].count("concat") == 1
    assert check(program) == []


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("of", ["result", "sum"])
def test_a_part_of_a_result_or_of_a_sum_is_copied(of: str, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A result is the caller's array; a sum is whole only after the workers have joined."""
    monkeypatch.setattr("cnndsl.program.regions.FORK_SECONDS", -1.0)
    g = Graph("part")
    y = g.input("image", (6, 6, 8)).conv(8, (1, 1))
    whole = y.relu() if of == "result" else g.reduce_sum(y, axes=(0,))
    g.output(whole if of == "result" else y, "other")
    g.output(g.take_part(whole, start=2, sizes=(6, 6, 4) if of == "result" else (6, 4)).tanh(), "part")
    options = Options(batch=4, workers=workers, without=frozenset({"fuse"}))
    program = lower(g, target="numpy", options=options)[0]
    assert [k.node.op.name for k in program.run.kernels].count("take_part") == 1
    assert check(program) == []


def test_what_is_laid_in_memory_has_its_bytes() -> None:
    image = Buffer("image", TensorType((2, 3, 4)), "arena")
    assert image.nbytes == 96 and replace(image, partial=3).nbytes == 288


def test_the_judge_sees_a_part_in_the_wrong_place() -> None:
    g, _ = inception()
    program = planned(g, 2, 1)
    (region,) = program.run.regions
    kernels = list(region.kernels)
    at = next(i for i, k in enumerate(kernels) if k.outputs[0].strides is not None and k.outputs[0].type.sizes[-1] == 3)
    moved = replace(kernels[at].outputs[0], offset=kernels[at].outputs[0].offset - 4)
    kernels[at] = replace(kernels[at], outputs=(moved,))
    broken = replace(program, run=replace(program.run, regions=(replace(region, kernels=tuple(kernels)),)))
    assert any("holds another value" in x for x in check(broken))


def test_what_reads_a_concat_that_never_runs_comes_after_its_branches() -> None:
    """The order with the smaller peak is another than the written one here: the second output could come first."""
    g = Graph("order")
    x = g.input("image", (1, 1, 5))
    y, early = x.relu(), x.relu()
    wide = y.conv(1, (1, 1)).concat(y.conv(1, (1, 1)), y.conv(1, (1, 1)), y.conv(1, (3, 3), pad=1))
    g.output(early, "early")
    g.output(wide.relu(), "late")
    program, _, _ = lower(g, target="numpy", options=Options(without=frozenset({"common_subexpressions", "fuse"})))
    assert check(program) == []
    assert [k.node.op.name for k in program.run.kernels].count("concat") == 0
