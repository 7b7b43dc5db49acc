"""What this target refuses to fuse, and why."""

from __future__ import annotations

import pytest

import cnndsl.ops  # noqa: F401  (fills the registry)
from cnndsl.graph.graph import INPUT, Graph, Value
from cnndsl.graph.types import TensorType
from cnndsl.passes.context import Options
from cnndsl.runtime.compile import lower
from cnndsl.targets.numpy.fusion import refuses
from cnndsl.targets.numpy.lower import sums_rows


def given(g: Graph, name: str, *sizes: int, dtype: str = "float32") -> Value:
    return g.source(INPUT, name, TensorType(sizes, dtype), batched=False)


@pytest.mark.parametrize(
    ("sizes", "axes", "rows"),
    [((4, 3), (0,), True), ((4, 3), (1,), False), ((4, 5, 3), (0, 1), True), ((4, 5, 3), (0,), False),
     ((4, 5, 3), (1, 0), True), ((2, 4, 5, 3), (0, 1, 2), True), ((2, 4, 5, 3), (0, 1), False), ((4,), (0,), False)],
)  # fmt: skip
def test_sums_that_keep_the_last_axis_alone(sizes: tuple[int, ...], axes: tuple[int, ...], rows: bool) -> None:
    g = Graph("g")
    assert sums_rows(g.reduce_sum(given(g, "x", *sizes), axes=axes).node) is rows


def test_in_front_of_a_sum() -> None:
    g = Graph("g")
    x, row = given(g, "x", 4, 5, 3), given(g, "row", 1, 1, 3)
    over, along = (g.reduce_sum(x, axes=axes).node for axes in ((0, 1), (2,)))
    product = g.pointwise(lambda e, a, b: a * b, x, row).node
    assert refuses(over, product, "prologue") is None
    assert refuses(along, product, "prologue") == "reduce_sum reads whole arrays"
    smaller = g.pointwise(lambda e, a: a * 2, row).node
    assert refuses(over, smaller, "prologue") == "it has another shape than what is summed"
    whole = g.pointwise(lambda e, a: a + 1, given(g, "n", 4, 5, 3, dtype="int32")).node
    assert "sums of float32 alone have a kernel" in str(refuses(over, whole, "prologue"))


def test_behind_a_convolution() -> None:
    g = Graph("g")
    x, row = given(g, "image", 2, 6, 6, 3), given(g, "row", 2, 1, 1, 4)
    conv = x.conv(4, (3, 3), pad=1)
    assert refuses(conv.node, conv.relu().node, "epilogue") is None
    assert "in one go" in str(refuses(x.max_pool((2, 2)).node, row.relu().node, "epilogue"))
    assert "its result is" in str(refuses(conv.node, row.tanh().node, "epilogue"))
    assert refuses(conv.node, conv.max_pool((2, 2)).node, "epilogue") == "max_pool is not pointwise"


def test_which_pads_have_a_kernel() -> None:
    """Zeros anywhere, reflected borders along space alone: the rest runs by the op's meaning, which allocates."""
    for mode, channels, kernel in (("zero", (1, 0), True), ("reflect", (0, 0), True), ("reflect", (1, 0), False)):
        g = Graph("g")
        g.output(given(g, "x", 2, 5, 5, 3).pad(1, mode=mode, channels=channels))
        program = lower(g, target="numpy", options=Options(batch=2))[0]
        assert [not k.choice.fallback for k in program.run.kernels] == [kernel], mode
