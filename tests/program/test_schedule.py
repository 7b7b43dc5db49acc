"""The order of kernels: never worse than the written one, always valid, and better where branches differ in size."""

from __future__ import annotations

import random

import cnndsl.ops  # noqa: F401  (registers the words)
from cnndsl.graph.graph import Graph, Node, Value
from cnndsl.passes.context import Options
from cnndsl.program.check import check
from cnndsl.program.schedule import greedy, peak, schedule
from cnndsl.runtime.compile import lower


def parts(g: Graph) -> tuple[list[Node], dict[Node, set[Value]], set[Value]]:
    kernels = [n for n in g.nodes if n.operands]
    return kernels, {n: {x for x in n.operands if x.node.operands} for n in kernels}, set(g.results)


def lopsided() -> Graph:
    """Wide arrays that shrink, all made before the first of them shrinks."""
    g = Graph("lopsided")
    x = g.input("image", (16, 16, 2), batched=False).node.outputs[0]
    wide = [g.pointwise(lambda e, a, k=k: a * float(k), x) for k in range(2, 6)]
    small = [g.reduce_sum(w, axes=(0, 1)) for w in wide]
    g.output(small[0].add(*small[1:]))
    return g


def test_a_branch_is_finished_before_the_next_begins() -> None:
    kernels, reads, kept = parts(lopsided())
    order = schedule(kernels, reads, kept)
    assert [n.op.name for n in order] == ["pointwise", "reduce_sum"] * 4 + ["add"]
    assert peak(kernels, reads, kept) >= 4 * 2048
    assert peak(order, reads, kept) <= 2048 + 4 * 8


def test_the_written_order_stays_where_nothing_is_won() -> None:
    g = Graph("chain")
    x = g.input("image", (4, 4, 2), batched=False)
    for _ in range(5):
        x = x.relu().tanh()
    g.output(x)
    kernels, reads, kept = parts(g)
    assert schedule(kernels, reads, kept) == kernels


def drawn(seed: int) -> tuple[Graph, list[Value]]:
    rng = random.Random(seed)
    g = Graph("random")
    values = [g.input("image", (8, 8, 2), batched=False)]
    for _ in range(30):
        a, b = rng.choice(values), rng.choice(values)
        values.append(a.add(b) if a.shape == b.shape else a.relu())
        if values[-1].type.rank == 3 and rng.random() < 0.3:
            values.append(g.reduce_sum(values[-1], axes=(0,)))
    g.output(values[-1])
    return g, values


def test_any_graph_gets_a_valid_order_that_is_no_worse() -> None:
    for seed in range(60):
        kernels, reads, kept = parts(drawn(seed)[0])
        order = schedule(kernels, reads, kept)
        assert sorted(n.id for n in order) == [n.id for n in kernels]
        place = {n: i for i, n in enumerate(order)}
        assert all(place[x.node] < place[n] for n in order for x in reads[n])
        assert peak(order, reads, kept) <= peak(kernels, reads, kept)


def test_what_is_won_where_a_graph_has_many_results() -> None:
    """A result stays to the end: who reads it last frees nothing, and need not come early."""
    before = after = 0
    for seed in range(60):
        g, values = drawn(seed)
        for n, value in enumerate(values[5:-1:4]):
            g.output(value, f"out{n}")
        kernels, reads, kept = parts(g)
        before += peak(kernels, reads, kept)
        after += peak(schedule(kernels, reads, kept), reads, kept)
    assert after <= 0.914 * before


def test_the_order_is_the_greedy_one() -> None:
    """Written down as it is said, in quadratic time."""
    for seed in range(60):
        g, values = drawn(seed)
        for n, value in enumerate(values[5:-1:4]):
            g.output(value, f"out{n}")
        kernels, reads, kept = parts(g)
        order: list[Node] = []
        while len(order) < len(kernels):
            left = [n for n in kernels if n not in order]
            can = [n for n in left if all(x.node in order for x in reads[n])]
            changes = {}
            for node in can:
                freed = [x for x in reads[node] if x not in kept and [n for n in left if x in reads[n]] == [node]]
                changes[node] = sum(y.type.nbytes for y in node.outputs) - sum(x.type.nbytes for x in freed)
            order.append(min(can, key=lambda n: (changes[n], n.id)))
        assert greedy(kernels, reads, kept) == order


def test_a_reordered_plan_is_sound() -> None:
    g = Graph("towers")
    x = g.input("image", (12, 12, 3))
    wide = [x.conv(32, (3, 3)) for _ in range(4)]
    g.output(g.concat(*[w.max_pool((2, 2)).conv(2, (1, 1)) for w in wide]))
    for batch, workers in ((1, 1), (4, 2)):
        program = lower(g, target="numpy", options=Options(batch=batch, workers=workers))[0]
        assert check(program) == []
