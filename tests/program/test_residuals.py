"""A residual sum is written over what it adds to, where the convolution behind it can keep its products apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import cnndsl
import cnndsl.ops
from cnndsl.graph.graph import Graph, Value
from cnndsl.passes.context import Options
from cnndsl.program.check import check
from cnndsl.program.program import Kernel, Program
from cnndsl.runtime.compile import lower
from cnndsl.runtime.reference import ReferenceExecutable
from tests.tolerances import NETWORK, close


def stem(g: Graph) -> Value:
    return g.input("image", (9, 12, 3)).conv(16, (3, 3), pad=1).relu()


def bottleneck(g: Graph) -> Value:
    x = stem(g)
    return x.conv(4, (1, 1)).relu().conv(4, (3, 3), pad=1).relu().conv(16, (1, 1)).add(x).relu()


def of_what_it_reads(g: Graph) -> Value:
    """The convolution itself reads the other operand, whole."""
    x = stem(g)
    return x.conv(16, (1, 1)).add(x).relu()


def read_later(g: Graph) -> Value:
    x = stem(g)
    y = x.conv(4, (1, 1)).relu().conv(16, (1, 1)).add(x).relu()
    return g.concat(y.max_pool((2, 2)), x.max_pool((2, 2)))


def planned(build: Callable[[Graph], Value], batch: int, workers: int) -> tuple[Program, Graph]:
    g = Graph("residual")
    g.output(build(g).global_avg_pool())
    return lower(g, target="numpy", options=Options(batch=batch, workers=workers))[0], g


def over_an_operand(program: Program) -> list[Kernel]:
    found = []
    for k in program.run.kernels:
        anchored = k.node.op.name == "fused" and k.node.attrs.anchor is not None
        if anchored and any((b.offset, b.space) == (k.outputs[0].offset, "arena") for b in k.inputs):
            found.append(k)
    return found


@pytest.mark.parametrize(("batch", "workers"), [(1, 1), (1, 2), (4, 1), (5, 2)])
@pytest.mark.parametrize(("build", "sums"), [(bottleneck, 1), (of_what_it_reads, 0), (read_later, 0)])
def test_over_what_it_adds_to(build: Callable[[Graph], Value], sums: int, batch: int, workers: int) -> None:
    program, g = planned(build, batch, workers)
    assert len(over_an_operand(program)) == sums
    assert check(program) == []
    w = g.initial_weights(3)
    images = np.random.default_rng(0).standard_normal((batch, 9, 12, 3)).astype(np.float32)
    found = cnndsl.compile(g, w, batch=batch, threads=workers)(images)
    close(found, ReferenceExecutable(g, Options(), "float64").load(w)(images), NETWORK)


def test_written_over_what_the_convolution_reads_is_found() -> None:
    """A plan with the sum's place moved onto the convolution's own operand."""
    program, _ = planned(bottleneck, 1, 1)
    (k,) = over_an_operand(program)
    (region,) = program.run.regions
    read = next(b for b in k.inputs if b.space == "arena" and b.offset != k.outputs[0].offset)
    moved = replace(k, outputs=(replace(k.outputs[0], offset=read.offset),))
    kernels = tuple(moved if x is k else x for x in region.kernels)
    broken = replace(
        program, arena_bytes=2 * program.arena_bytes, run=replace(program.run, regions=(replace(region, kernels=kernels),))
    )
    assert any("share bytes" in problem for problem in check(broken))
