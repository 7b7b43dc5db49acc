"""Placing arrays, against a brute-force check; names that no model can make dangerous."""

from __future__ import annotations

import keyword

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnndsl.program.memory import ALIGN, Life, aligned, place
from cnndsl.program.names import Names, block_ends

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
    """The last of several in a block; not what stands alone in one, or in none."""
    paths = ["stem.conv", "stem.pool", "a.unit.conv", "a.unit.conv2", "a.unit2.conv", "a.skip", "logits"]
    assert block_ends(paths) == {1: "stem", 3: "a.unit"}
