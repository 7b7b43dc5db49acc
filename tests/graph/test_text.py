"""Graphs as text: written and read back, golden, and text that is wrong."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnndsl.errors import CnnError
from cnndsl.graph.equality import equal
from cnndsl.graph.graph import Graph
from cnndsl.graph.networks import to_networkx
from cnndsl.graph.read import parse_graph
from cnndsl.graph.sizes import Affine
from cnndsl.graph.text import to_text
from cnndsl.passes.pipelines import INFERENCE
from cnndsl.passes.runner import run_passes
from cnndsl.passes.specialise import bind_sizes
from cnndsl.runtime.compile import compile
from tests.passes.networks import context, residual

GOLDEN = """graph "tiny" {
  state "dense.weight": float32[4,2] init="he_normal" fan_in=4
  state "dense.bias": float32[2] decay=false
  %x = input "x" batched -> float32[N,4] @ "x"
  %dense.weight = state "dense.weight" -> float32[4,2] @ "dense"
  %dense.bias = state "dense.bias" -> float32[2] @ "dense"
  %dense = dense(%x, %dense.weight, %dense.bias) units=2 -> float32[N,2] @ "dense"
  %pointwise = pointwise(%dense) exprs=([gt(x0, 0.0); mul(x0, x0); select($0, $1, -1.5)]) -> float32[N,2]
  output "output" = %pointwise
}
"""


def tiny() -> Graph:
    g = Graph("tiny")
    y = g.input("x", (4,)).dense(2)
    g.output(g.pointwise(lambda e, x: e.select(x > 0.0, x * x, -1.5), y))
    return g


def test_golden() -> None:
    assert to_text(tiny()) == GOLDEN
    assert to_text(parse_graph(GOLDEN)) == GOLDEN


def test_a_whole_network_before_and_after_its_passes() -> None:
    for graph in (residual(), run_passes(residual(), INFERENCE, context())):
        again = parse_graph(to_text(graph))
        assert equal(again, graph)
    assert not equal(residual(), tiny())


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("%dense = dense", "%x = dense", "another node"),
        ("%dense = dense", "%dense:1 = dense", "another node"),
        ("%dense = dense", "dense = dense", "a value such as"),
        ("= dense(", "= dens(", "no op dens"),
        ("(%x, %dense.weight, %dense.bias)", "(%x, %dense.weight, %other)", "stands before"),
        ("(%x, %dense.weight, %dense.bias)", "(%x, %dense.weight, %dense.bias:1)", "stands before"),
        ("units=2", "unit=2", "one of"),
        ("units=2 ", "", "fields"),
        ("-> float32[N,2] @", "-> float32[N,3] @", "gives"),
        ("mul(x0, x0)", "exec(x0, x0)", "scalar primitive"),
        ("mul(x0, x0)", "mul(x0)", "2 argument"),
        ("$1", "$7", "a step"),
        ("}\n", "", "expected a value"),
        ('"tiny"', "tiny", "in quotes"),
        ("-1.5", "-1.5.5", "expected"),
    ],
)
def test_wrong_text_has_a_place(old: str, new: str, says: str) -> None:
    with pytest.raises(CnnError, match=says) as e:
        parse_graph(GOLDEN.replace(old, new, 1))
    assert e.value.diagnostics[0].span is not None


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(GOLDEN) - 1), st.text(max_size=3), st.integers(0, 12))
def test_damaged_text_is_refused_in_words(at: int, put: str, cut: int) -> None:
    with contextlib.suppress(CnnError):
        parse_graph(GOLDEN[:at] + put + GOLDEN[at + cut :])


def test_networkx_keeps_order_and_parallel_edges() -> None:
    g = Graph("g")
    x = g.input("x", (4,))
    g.output(x.add(x))
    found = to_networkx(g)
    assert found.number_of_edges(0, 1) == 2
    assert sorted(d["operand"] for _, _, d in found.edges(data=True)) == [0, 1]


def test_symbols_with_divisors_come_back() -> None:
    g = Graph("g")
    half, e = Affine.symbol("H/2"), Affine.symbol("E1")
    g.output(g.input("z", (2 * half, 2 * e + 1, 3)).conv(4, (3, 3), pad="same").relu())
    assert to_text(parse_graph(to_text(g))) == to_text(g)
    assert "float32[N,2*H/2,2*E1+1,3]" in to_text(g)


@pytest.mark.parametrize(
    ("size", "says"),
    [
        ("+".join(f"s{i}" for i in range(100_000)), "a size of more than 64 parts"),
        (",".join(["1"] * 100_000), "a tensor of more than 8 axes"),
        (",".join(["2000000000"] * 8), "at most 2,147,483,647 are allowed"),
    ],
)
def test_sizes_without_end_are_refused_before_they_are_summed(size: str, says: str) -> None:
    text = f'graph "x" {{\n  %x = input "x" -> float32[{size}]\n}}\n'
    start = time.process_time()
    with pytest.raises(CnnError) as caught:
        parse_graph(text)
    assert caught.value.code == "E909"
    assert says in str(caught.value)
    assert time.process_time() - start < 2  # 100,000 parts were minutes


@pytest.mark.parametrize(
    ("size", "code", "says"),
    [
        ("H/0", "E303", "from 1 to 2147483648"),
        ("H/2147483649", "E303", "from 1 to 2147483648"),
        ("H/" + "9" * 5000, "E303", "from 1 to 2147483648"),
        ("H/\u0663", "E103", "a whole number"),
        ("0*H", "E303", "at least once, not 0 times"),
        ("-1*H", "E303", "at least once, not -1 times"),
        ("2*_h", "E103", "a symbol"),
    ],
)
def test_symbols_that_no_input_has(size: str, code: str, says: str) -> None:
    with pytest.raises(CnnError) as caught:
        parse_graph(f'graph "x" {{\n  %x = input "x" batched -> float32[N,{size},8,1]\n}}\n')
    assert caught.value.code == code
    assert says in str(caught.value)


def test_a_size_that_is_none_once_bound() -> None:
    g = parse_graph('graph "x" {\n  %x = input "x" batched -> float32[N,H-500,8,1]\n  output "y" = %x\n}\n')
    assert bind_sizes(g, {"H": 501}).inputs["x"].type.shape[1] == 1
    for bound in (lambda: bind_sizes(g, {"H": 500}), lambda: compile(g, {}, sizes={"H": 500})):
        with pytest.raises(CnnError, match="input x: a size is at least 1, not 0") as caught:
            bound()
        assert caught.value.code == "E303"


def edited(old: str, new: str) -> CnnError:
    """The error of a text in which a hand has changed something."""
    g = Graph("g")
    g.output(g.input("image", (6, 6, 3)).conv(4, (3, 3), pad=1).relu())
    text = to_text(g)
    assert old in text
    with pytest.raises(CnnError) as found:
        parse_graph(text.replace(old, new, 1))
    return found.value


def test_a_shape_that_no_longer_holds_is_told_with_what_to_write() -> None:
    d = edited("pad=1 ->", "pad=1 stride=2 ->").diagnostics[0]
    assert d.message == "conv gives float32[N,3,3,4] here"
    assert d.help == "the line says float32[N,6,6,4]: write -> float32[N,3,3,4], and what follows from it in the lines below"


def test_a_misspelt_value_is_told_with_the_one_that_is_near() -> None:
    d = edited("relu(%conv)", "relu(%cnv)").diagnostics[0]
    assert (d.message, d.help) == ("%cnv is not a value that stands before", "did you mean %conv?")
