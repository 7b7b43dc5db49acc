"""Parallel 1×1 convolutions as one, averages behind them: where, that the numbers stay, and where it must not be done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import cnndsl
from cnndsl.graph.graph import Graph, Value
from cnndsl.passes.combine_parallel import combine_parallel
from cnndsl.passes.context import Context, Options
from cnndsl.passes.dead_code import dead_code
from cnndsl.program.check import check
from cnndsl.runtime.compile import lower
from cnndsl.runtime.reference import ReferenceExecutable
from cnndsl.targets.numpy import TARGET
from tests.passes.networks import after, bound, context, refusals, words
from tests.tolerances import NETWORK, close


def on_numpy() -> Context:
    return replace(context(), target=TARGET)


def image(g: Graph) -> Value:
    return g.input("image", (6, 7, 8))


def combined(build: Callable[[Graph], Value]) -> tuple[Graph, Context]:
    g = Graph("g")
    g.output(build(g))
    ctx = on_numpy()
    return after(bound(g), (combine_parallel, dead_code), ctx), ctx


def inception(g: Graph) -> Value:
    x = image(g)
    one = x.conv(4, (1, 1)).relu()
    three = x.conv(3, (1, 1)).relu().conv(4, (3, 3), pad=1).relu()
    five = x.conv(2, (1, 1)).relu().conv(2, (5, 5), pad=2).relu()
    pool = x.avg_pool((3, 3), stride=1, pad=1).conv(3, (1, 1)).relu()
    return g.concat(one, three, five, pool)


def test_an_inception_block() -> None:
    new, ctx = combined(inception)
    found = words(new)
    assert found.count("conv") == 4 and found.count("take_part") == 3 and found.count("relu") == 4
    assert found.index("conv") < found.index("avg_pool"), "the average waits"
    (whole,) = (n for n in new.nodes if n.op.name == "conv" and n.attrs.filters == 9)
    assert whole.path == "parallel" and whole.attrs.kernel == (1, 1)
    assert not [why for why in refusals(ctx) if "result" in why]


@pytest.mark.parametrize("count_padding", [False, True])
def test_an_average_waits_whatever_it_counts(count_padding: bool) -> None:
    new, _ = combined(lambda g: image(g).avg_pool((3, 3), stride=1, pad=1, count_padding=count_padding).conv(5, (1, 1)))
    assert [w for w in words(new) if w in ("avg_pool", "conv")] == ["conv", "avg_pool"]


def test_without_bias_and_without_activation() -> None:
    def build(g: Graph) -> Value:
        x = image(g)
        a, b = (x.conv(n, (1, 1), bias=False).conv(3, (3, 3)) for n in (2, 5))
        return a.add(b)

    new, _ = combined(build)
    assert words(new).count("conv") == 3


@pytest.mark.parametrize("activated", [False, True])
def test_names_stay_with_what_is_still_computed(activated: bool) -> None:
    """One activation stands behind all parts, so what was before it is no value of its own any more."""
    g = Graph("g")
    x = image(g)
    convs = [x.conv(n, (1, 1)) for n in (2, 5)]
    ends = [c.relu() for c in convs] if activated else convs
    g.names.update({"first": convs[0], "second": convs[1], "end": ends[1]})
    g.output(ends[0].conv(3, (3, 3)).add(ends[1].conv(3, (3, 3))))
    new = after(bound(g), (combine_parallel, dead_code), on_numpy())
    assert words(new).count("conv") == 3
    assert set(new.names) == ({"end"} if activated else {"first", "second", "end"})
    assert [v.type.channels for v in new.names.values()] == ([5] if activated else [2, 5, 5])


def other_activation(g: Graph) -> Value:
    x = image(g)
    return g.concat(x.conv(3, (1, 1)).relu(), x.conv(3, (1, 1)).tanh())


def what_follows_is_fused(g: Graph) -> Value:
    """The projection of a residual block: the sum is its epilogue."""
    x = image(g)
    return x.conv(4, (1, 1)).relu().conv(6, (3, 3), pad=1).add(x.conv(6, (1, 1)))


def another_kernel(g: Graph) -> Value:
    x = image(g)
    return g.concat(x.conv(3, (1, 1)), x.conv(3, (3, 3), pad=1))


def another_stride(g: Graph) -> Value:
    x = image(g)
    return g.concat(x.conv(3, (1, 1), stride=2), x.conv(3, (1, 1), stride=2))


def grouped(g: Graph) -> Value:
    x = image(g)
    return g.concat(x.conv(4, (1, 1), groups=2), x.conv(4, (1, 1), groups=2))


def a_result(g: Graph) -> Value:
    x = image(g)
    y = x.conv(3, (1, 1))
    g.output(y, "y")
    return g.concat(y, x.conv(3, (1, 1)))


@pytest.mark.parametrize("build", [other_activation, what_follows_is_fused, another_kernel, another_stride, grouped, a_result])
def test_stays(build: Callable[[Graph], Value]) -> None:
    g = Graph("g")
    g.output(build(g))
    new, _ = combined(build)
    assert sorted(words(new)) == sorted(words(bound(g)))


def average_with_two_readers(g: Graph) -> Value:
    y = image(g).avg_pool((3, 3), stride=1, pad=1)
    return y.conv(3, (1, 1)).add(y.conv(3, (3, 3), pad=1))


def more_filters(g: Graph) -> Value:
    return image(g).avg_pool((3, 3), stride=1, pad=1).conv(9, (1, 1))


def smaller(g: Graph) -> Value:
    return image(g).avg_pool((2, 2), stride=2).conv(3, (1, 1))


def wider_kernel(g: Graph) -> Value:
    return image(g).avg_pool((3, 3), stride=1, pad=1).conv(3, (3, 3))


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (average_with_two_readers, "not one convolution alone"),
        (more_filters, "more filters"),
        (smaller, "smaller"),
        (wider_kernel, "no 1×1 convolution"),
    ],
)
def test_an_average_does_not_wait(build: Callable[[Graph], Value], why: str) -> None:
    new, ctx = combined(build)
    assert words(new).index("avg_pool") < words(new).index("conv")
    assert any(why in said for said in refusals(ctx))


def test_training_keeps_them_apart() -> None:
    """Their weights change: nothing is fixed."""
    g = Graph("g")
    g.output(inception(g))
    for name, value in list(g.state_values.items()):
        g.update(name, value)
    ctx = on_numpy()
    new = after(bound(g), (combine_parallel,), ctx)
    assert words(new).count("conv") == 6
    assert "its weight changes in a run" in refusals(ctx)


@pytest.mark.parametrize(("batch", "workers"), [(1, 1), (1, 2), (4, 2), (5, 2)])
def test_parts_are_read_where_they_lie(batch: int, workers: int) -> None:
    g = Graph("g")
    x = image(g)
    one, two, three = (x.conv(n, (1, 1)).relu() for n in (4, 3, 2))
    y = g.concat(one, two.conv(5, (1, 1)).relu(), three.max_pool((3, 3), stride=1, pad=1))
    g.output(y.conv(3, (3, 3)).global_avg_pool())
    program = lower(g, target="numpy", options=Options(batch=batch, workers=workers))[0]
    kernels = program.run.kernels
    assert [k.node.path for k in kernels if k.node.op.name == "take_part"] == ["conv"], "only a branch of the concat moves"
    read = [b for k in kernels for b in k.inputs if b.strides is not None]
    assert [b.type.sizes[-1] for b in read] == [3, 2]
    assert check(program) == []
    w: Any = g.initial_weights(3)
    images = np.random.default_rng(0).standard_normal((batch, 6, 7, 8)).astype(np.float32)
    found = cnndsl.compile(g, w, batch=batch, threads=workers)(images)
    close(found, ReferenceExecutable(g, Options(), "float64").load(w)(images), NETWORK)


def test_a_plan_that_reads_the_wrong_part_is_found() -> None:
    g = Graph("g")
    g.output(inception(g))
    program = lower(g, target="numpy", options=Options(batch=1, workers=1))[0]
    (region,) = program.run.regions
    at = next(i for i, k in enumerate(region.kernels) if any(b.strides is not None for b in k.inputs))
    k = region.kernels[at]
    moved = tuple(replace(b, offset=b.offset + 4 * 9 * 6 * 7) if b.strides is not None else b for b in k.inputs)
    kernels = (*region.kernels[:at], replace(k, inputs=moved), *region.kernels[at + 1 :])
    broken = replace(program, run=replace(program.run, regions=(replace(region, kernels=kernels),)))
    assert check(broken)
