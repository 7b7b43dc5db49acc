"""Fusing: what goes together, that the numbers stay, what keeps apart, and that no cycle and no long walk comes of it."""

from __future__ import annotations

from cnndsl.autodiff import differentiate
from cnndsl.graph.graph import Graph
from cnndsl.graph.verify import verify
from cnndsl.passes.dead_code import dead_code
from cnndsl.passes.fold_batch_norm import fold_batch_norm
from cnndsl.passes.fuse import fuse
from cnndsl.passes.groups import MOST_NODES, Group
from cnndsl.passes.training import training
from tests.passes.networks import after, bound, context, refusals, residual, words


def test_residual_block() -> None:
    found = words(after(bound(residual()), (fold_batch_norm, dead_code, fuse), context()))
    assert "conv+relu" in found and "conv+add+relu" in found
    assert found.count("relu") == found.count("add") == 0


def test_gradients_and_updates() -> None:
    """Batch norm and ReLU backward, and an update with momentum, whose two results are one kernel."""
    g = training(bound(residual()), context(training=True))
    logits = g.names["logits"]
    loss = g.reduce_sum(g.pointwise(lambda e, x: x * x, logits), axes=(0, 1))
    names = [n for n, s in g.state.items() if s.kind == "parameter"]
    for name, gradient in zip(names, differentiate(g, loss, [g.state_values[n] for n in names]), strict=True):
        assert gradient is not None
        g.update(name, g.pointwise(lambda e, w, d: w - 0.01 * d, g.state_values[name], gradient))
    g.outputs = {"loss": loss}
    ctx = context(training=True)
    plain = after(g, (dead_code,), ctx)
    found = words(after(g, (dead_code, fuse), ctx))
    assert "pointwise+reduce_sum" in found
    assert len(found) < 0.7 * len(words(plain))


def test_two_results_in_one_chain() -> None:
    g = Graph("g")
    x, y = g.input("x", (4,)), g.input("y", (4,))
    v = g.pointwise(lambda e, a, b: 0.9 * a + b, x, y)
    g.output(v, "velocity")
    g.output(g.pointwise(lambda e, a, b: a - 0.1 * b, x, v), "weight")
    assert words(after(bound(g), (fuse,), context())) == ["pointwise+pointwise"]


def test_a_value_read_elsewhere_is_not_computed_twice() -> None:
    g = Graph("g")
    y = g.input("image", (6, 6, 2)).conv(2, (3, 3), pad=1)
    g.output(y.relu())
    g.output(y.conv(2, (3, 3)), "other")
    assert words(after(bound(g), (fuse,), context())) == ["conv", "relu", "conv"]


def test_an_epilogue_computes_what_the_convolution_makes_and_nothing_smaller() -> None:
    """A factor for each channel is not computed anew for each block of positions."""
    g = Graph("g")
    made = g.input("image", (6, 6, 2)).conv(2, (3, 3), pad=1)
    g.output(g.pointwise(lambda e, a, b: a * b, made, g.input("factor", (1, 1, 2)).tanh()))
    ctx = context()
    assert words(after(bound(g), (fuse,), ctx)) == ["conv", "tanh+pointwise"]
    assert any("tanh inside has another shape" in why for why in refusals(ctx))


def test_what_feeds_a_convolution_is_no_epilogue() -> None:
    g = Graph("g")
    g.output(g.input("image", (6, 6, 2)).relu().conv(2, (3, 3), pad=1).relu())
    assert words(after(bound(g), (fuse,), context())) == ["relu", "conv+relu"]


def test_no_cycle_through_a_node_outside() -> None:
    """relu → (conv →) add: the relu may not join the add, because the convolution stands between."""
    g = Graph("g")
    x = g.input("image", (6, 6, 2)).relu()
    z = x.conv(2, (3, 3), pad=1).softmax()
    g.output(x.add(z).tanh())
    assert words(after(bound(g), (fuse,), context())) == ["relu", "conv", "softmax+add+tanh"]


def test_what_is_prepared_stays_apart() -> None:
    g = Graph("g")
    x = g.input("image", (4,))
    w = x.dense(4).node.operands[1]
    row = g.pointwise(lambda e, a: a * a, w)
    g.output(g.pointwise(lambda e, a, b: a + b, g.reduce_sum(row, axes=(0,)), x))
    assert "pointwise+pointwise" not in words(after(dead_code(bound(g), context()), (fuse,), context()))


def test_a_long_graph_fuses_into_bounded_kernels() -> None:
    g = Graph("long")
    x = y = g.input("image", (2, 2, 1))
    for _ in range(2000):
        y = y.relu().add(x)
    g.output(y)
    out = fuse(bound(g), context())
    verify(out)
    sizes = [len(n.attrs.inner.nodes) for n in out.nodes if n.op.name == "fused"]
    assert sum(sizes) >= 4000
    assert max(sizes) <= 2 * MOST_NODES


def test_what_nobody_needs_is_still_a_kernel_with_a_result() -> None:
    """Without dead_code before it: each fused node has one, and the plan a place for it."""
    g = Graph("dead")
    x = g.input("image", (4, 4, 2))
    x.conv(3, (3, 3)).relu().add(x.conv(3, (3, 3)).relu())
    g.output(x.tanh())
    new = after(bound(g), (fuse,), context())
    assert all(n.outputs for n in new.nodes)
    assert any("add" in word and "conv" in word for word in words(new))


def test_an_epilogue_has_one_result() -> None:
    """A kernel with an anchor writes one array; what is wanted on the way begins a chain of its own."""
    g = Graph("g")
    y = g.input("image", (6, 6, 2)).conv(2, (3, 3)).relu()
    g.output(y, "early")
    g.output(y.tanh())
    assert words(after(bound(g), (fuse,), context())) == ["conv", "relu+tanh"]


def test_a_group_stays_below_all_that_it_reads() -> None:
    """Edges lead from a higher level to a lower one: at the level of what it reads, a group might close a cycle."""
    g = Graph("g")
    x = g.input("x", (4,))
    low, high = Group(x.relu().node, 1, None), Group(x.tanh().node, 3, None)
    low.supply = 3
    assert [low.can_rise(n) for n in (1, 2, 3, 4)] == [True, True, False, False]
    assert not low.may_merge(high) and not high.may_merge(low)
    high.level = 2
    assert low.may_merge(high)
