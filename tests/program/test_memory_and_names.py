"""Placing arrays, against a brute-force check; names that no model can make dangerous."""

from __future__ import annotations

import keyword

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cnndsl.ops  # noqa: F401  (registers the words)
from cnndsl.graph.graph import Graph, Node, Origin
from cnndsl.graph.layers import add_layer
from cnndsl.graph.op import REGISTRY, NoAttrs
from cnndsl.passes.context import Context, Log, Options
from cnndsl.passes.fuse import fuse
from cnndsl.program.memory import ALIGN, Life, aligned, place
from cnndsl.program.names import Names, block_ends
from cnndsl.targets.numpy import TARGET
from tests.program.plans import bound

SPANS = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 20), st.integers(0, 8)), max_size=40)


@settings(suppress_health_check=[HealthCheck.too_slow])  # of drawing, on a machine that does much else
@given(SPANS)
def test_arrays_that_live_together_lie_apart(spans: list[tuple[int, int, int]]) -> None:
    lives = [Life(i, n, first, first + length) for i, (n, first, length) in enumerate(spans)]
    offsets, total = place(lives)
    for a in lives:
        assert offsets[a.key] % ALIGN == 0
        assert offsets[a.key] + a.nbytes <= total
        for b in lives[: lives.index(a)]:
            if a.first <= b.last and b.first <= a.last:
                low, high = sorted((a, b), key=lambda x: offsets[x.key])
                assert offsets[low.key] + max(low.nbytes, 1) <= offsets[high.key]


@settings(suppress_health_check=[HealthCheck.too_slow])  # of drawing, on a machine that does much else
@given(SPANS)
def test_the_arena_is_no_larger_than_everything_beside_everything(spans: list[tuple[int, int, int]]) -> None:
    lives = [Life(i, n, first, first + length) for i, (n, first, length) in enumerate(spans)]
    _, total = place(lives)
    assert total <= sum(aligned(max(x.nbytes, 1)) for x in lives)
    assert total >= max((sum(x.nbytes for x in lives if x.first <= t <= x.last) for t in range(30)), default=0)


@given(st.lists(st.text(max_size=90), max_size=12))
def test_every_wish_becomes_an_identifier_of_its_own(wishes: list[str]) -> None:
    names = Names()
    found = [names.fresh(w) for w in wishes]
    assert len(set(found)) == len(found)
    for name in found:
        assert name.isascii()
        assert name.isidentifier()
        assert not keyword.iskeyword(name)
        assert name[0].islower()


def test_names_read_like_the_model() -> None:
    names = Names()
    assert names.fresh("stage1.unit2.main.conv_bn3.conv") == "stage1_unit2_main_conv_bn3_conv"
    assert names.fresh("conv2") == "conv2"
    assert names.fresh("conv2") == "conv2_2"
    assert names.fresh("x = 1\n__import__('os')") == "x_1_import_os"
    assert names.fresh("lambda") == "lambda_"
    assert names.fresh("len") == "len_"
    assert names.fresh("λ") == "value"


def test_which_nodes_end_a_block() -> None:
    """The last of several in a block; not what stands alone in one, or in none. What ends a branch ends not all around it."""
    paths = ["stem.conv", "stem.pool", "a.unit.conv", "a.unit.conv2", "a.unit2.conv", "a.skip", "b.x.conv", "b.y.pool",
             "b.y.cr.conv", "logits"]  # fmt: skip
    assert block_ends(chained(paths)) == {1: "stem", 3: "a.unit", 5: "a", 8: "b.y"}


def test_a_sum_behind_a_shortcut_ends_the_block_around_it() -> None:
    g = Graph("g")
    x = g.input("image", (6, 6, 2))
    with g.scope.inside("stage2"):
        main, skip = x.conv(2, (3, 3), pad=1, name="main"), x.conv(2, (1, 1), name="skip")
        y = main.add(skip)
    g.output(y.conv(3, (1, 1), name="last"))
    fused = fuse(bound(g, 1), Context(TARGET, Options(batch=1), Log()))
    kernels = [n for n in fused.nodes if n.op.name in ("fused", "conv")]
    assert [k.path for k in kernels] == ["stage2.main", "stage2.skip", "last"]
    assert block_ends(kernels) == {1: "stage2"}


def chained(paths: list[str]) -> list[Node]:
    """A chain of activations under these paths."""
    g = Graph("g")
    x = g.input("x", (3,))
    for path in paths:
        x = add_layer(g, REGISTRY["relu"], [x], NoAttrs(), Origin(path))
    return [n for n in g.nodes if n.op.name == "relu"]
