"""Sizes with symbols: arithmetic agrees with the integers, and what is undecided says so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnndsl.errors import CnnError
from cnndsl.graph.graph import Graph, rewrite
from cnndsl.graph.sizes import Affine, bind, ceil_div, example, may_reach, multiple, shown
from cnndsl.passes.specialise import bind_sizes

H, W = Affine.symbol("H"), Affine.symbol("W")
SMALL = st.integers(-20, 20)


@given(a=SMALL, b=SMALL, c=SMALL, h=st.integers(1, 50), w=st.integers(1, 50))
def test_arithmetic_is_that_of_integers(a: int, b: int, c: int, h: int, w: int) -> None:
    form = a * H + b * W + c - W + 3 - (2 - H)
    assert bind(form, {"H": h, "W": w}) == a * h + b * w + c - w + 3 - (2 - h)


@given(k=st.integers(1, 9), m=st.integers(1, 9), c=SMALL, h=st.integers(1, 50))
def test_division_that_is_decided(k: int, m: int, c: int, h: int) -> None:
    form = k * m * H + c
    assert bind(form // k, {"H": h}) == (k * m * h + c) // k
    assert bind(ceil_div(form, k), {"H": h}) == -((k * m * h + c) // -k)
    assert form % k == (k * m * h + c) % k


def test_an_integer_where_no_symbol_is_left() -> None:
    assert H - H == 0
    assert isinstance(H - H + 3, int)
    assert (2 * H).bind({"H": 4}) == 8


def test_comparisons_hold_for_all_positive_sizes() -> None:
    assert H >= 1
    assert 2 * H + 1 > 2
    assert H + 3 >= H
    assert not H + 3 < H
    for undecided in (lambda: H >= 2, lambda: H >= W, lambda: H // 2, lambda: H % 2, lambda: H * W):
        with pytest.raises(CnnError) as caught:
            undecided()
        assert caught.value.code == "E602"


def test_equality_and_text() -> None:
    assert 2 * H + 1 == 1 + H + H
    assert hash(2 * H + 1) == hash(1 + H + H)
    assert H != W
    assert H != 3
    assert len({H, Affine.symbol("H"), W}) == 2
    assert str(2 * H + W - 3) == "2*H+W-3"


def test_people_see_the_symbol_that_was_written() -> None:
    quarter = Affine.symbol("H/4")
    sizes = (4 * quarter, 8 * quarter - 1, 2 * quarter, quarter, 3 * quarter)
    assert [shown(s) for s in sizes] == ["H", "2H-1", "H/2", "H/4", "3H/4"]
    assert shown(W - 3 * quarter) == "-3H/4+W"


def test_what_large_symbols_may_reach() -> None:
    assert may_reach(H, 100)
    assert may_reach(H - 7, 1)
    assert not may_reach(3 - H, 3)
    assert not may_reach(4, 5)


def test_an_example_of_a_shape_is_one_that_fits() -> None:
    assert example((H, W, 3)) == "256x256x3"
    assert example((multiple("H", 48), W, 32)) == "288x256x32"
    assert example((multiple("H", 1000),)) == "1000"


def test_symbols_outlive_a_rewrite_until_they_are_bound() -> None:
    g = Graph("g")
    g.output(g.input("image", ("H", "W", 3), where={"H": 2}).relu())
    again = rewrite(g, lambda *_: None)
    again.outputs["output"].check("H", "W", 3)
    assert again.symbols == g.symbols
    assert bind_sizes(g, {"H": 4, "W": 5}).symbols == {}


def test_a_condition_belongs_to_the_first_input_that_has_the_symbol() -> None:
    g = Graph("g")
    g.input("a", ("H", "W", 3), where={"H": 4})
    g.input("b", ("H", 3), where={"H": 2})
    with pytest.raises(CnnError, match="an earlier input has H as a multiple of 4, not of 8"):
        g.input("c", ("H", 3), where={"H": 8})
    with pytest.raises(CnnError, match="W is no symbol of this input"):
        g.input("d", ("H", 3), where={"W": 2})
