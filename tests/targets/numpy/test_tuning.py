"""Choosing by measured times: what a table may decide, and what it can never do."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import cnndsl
from cnndsl.graph.graph import Graph, Node
from cnndsl.graph.target import Choice
from cnndsl.program.work import anchor
from cnndsl.runtime.tune import problems, untuned
from cnndsl.targets.numpy.lower import LOWERINGS
from cnndsl.targets.numpy.tuning import SURE, Table, fastest, in_use, measured, problem, shortlist, using
from cnndsl.targets.reference.interpreter import evaluate
from cnndsl.training.step import compile_step
from tests.formats.onnx_networks import random_weights
from tests.runtime.small_networks import plain, residual
from tests.tolerances import NETWORK, close


def conv_node(batch: int = 2, size: int = 12, **keys: Any) -> Node:
    g = Graph("one")
    x = g.input("image", (size, size, 4)).conv(8, (3, 3), pad=1, **keys)
    run = cnndsl.compile(_out(g, x), batch=batch, threads=2)
    return anchor(run.program.run.kernels[0])


def _out(g: Graph, x: Any) -> Graph:
    g.output(x)
    return g


def test_equal_work_is_one_problem() -> None:
    assert problem(conv_node()) == problem(conv_node(bias=False)) == problem(conv_node(init="zeros"))
    different = [conv_node(), conv_node(batch=3), conv_node(size=14), conv_node(stride=2), conv_node(groups=2)]
    assert len({problem(n) for n in different}) == len(different)
    assert problem(conv_node()).startswith("conv kernel=(3, 3) stride=(1, 1) pad=((1, 1), (1, 1)) ")
    assert problem(conv_node()).endswith(": float32 2x12x12x4, float32 3x3x4x8")


def test_the_least_measured_time_wins_where_it_is_surely_less() -> None:
    assert fastest({}, "a") == ""
    assert fastest({"a": 2.0, "b": 1.0}, "a") == "b"
    assert fastest({"a": 1.0, "b": 1.0 / SURE + 1e-9}, "a") == "a"
    assert fastest({"b": 1.0, "c": 1.0}, "a") == "b"


def test_a_table_ranks_what_is_listed_and_nothing_else() -> None:
    node = conv_node()
    listed = {"a": Choice("x"), "b": Choice("y")}
    asked: list[int] = []

    def candidates(node: Node, workers: int) -> dict[str, Choice]:
        asked.append(workers)
        return listed

    assert measured(node, 2, candidates) is None
    table = Table("t", 2, {problem(node): {"b": 1e-3, "import os": 1e-9}})
    with using(table):
        assert measured(node, 2, candidates) is listed["b"]
        assert measured(conv_node(size=14), 2, candidates) is None
        assert measured(node, 2, lambda node, workers: {"c": Choice("z")}) is None
        assert measured(node, 2, lambda node, workers: {}) is None
    assert asked == [2]
    assert table.met == {problem(node)}
    assert in_use() is None


def test_a_table_is_in_use_in_one_thread() -> None:
    seen: list[Any] = []
    with using(Table("t", 1, {})):
        other = threading.Thread(target=lambda: seen.append(in_use()))
        other.start()
        other.join()
        assert in_use() is not None
    assert seen == [None]


def test_shortlist() -> None:
    assert shortlist({1: 5.0, 2: 1.0, 3: 1.5, 4: 2.1}) == [2, 3]
    assert shortlist(dict.fromkeys(range(9), 1.0), most=3) == [0, 1, 2]


def everything(run: Any) -> list[tuple[str, str]]:
    """(problem, label) of every candidate of a program."""
    return [(p.name, label) for p in problems(run.program) for label in p.labels]


@pytest.mark.parametrize(("batch", "threads"), [(1, 1), (1, 2), (4, 2), (5, 2)])
def test_every_candidate_gives_the_same_numbers(batch: int, threads: int) -> None:
    """The n-th candidate of every problem at once; a concat, whose branches write in place, among them."""
    g = residual()
    weights, images = random_weights(g), np.random.default_rng(0).normal(size=(batch, 32, 32, 3)).astype(np.float32)
    with untuned(threads):
        first = cnndsl.compile(g, weights, batch=batch, threads=threads)
    want = evaluate(g, {"image": images}, weights, dtype="float64")[0]["output"]
    texts = set()
    found = problems(first.program)
    assert len(found) >= 5
    for n in range(max(len(p.labels) for p in found)):
        times = {p.name: {p.labels[n % len(p.labels)]: 1.0} for p in found}
        with using(Table(f"table {n}", threads, times)):
            run = cnndsl.compile(g, weights, batch=batch, threads=threads)
        close(run(images), want, NETWORK)
        texts.add(run.source)
    assert len(texts) > 2


def test_the_first_candidate_is_the_predicted_one() -> None:
    for run in (
        cnndsl.compile(residual(), batch=4, threads=2),
        compile_step(residual(), loss="cross_entropy(logits)", batch=4, threads=2).executable,
    ):
        with untuned(2):
            for p in problems(run.program):
                lowering = LOWERINGS[p.node.op.name]
                assert lowering.candidates is not None
                listed = lowering.candidates(p.node, 2)
                assert listed[p.labels[0]] == lowering.choose(p.node, 2), p.name


def test_a_program_says_by_which_table_it_was_made() -> None:
    g = plain()
    with untuned(1):
        run = cnndsl.compile(g, batch=2, threads=1)
    assert "measured" not in run.source.split('"""')[1]
    times = {name: {label: 1.0} for name, label in everything(run)}
    texts = []
    for _ in range(2):
        with using(Table("SkylakeX, 1 threads, table 0badcafe", 1, times)):
            texts.append(cnndsl.compile(g, batch=2, threads=1).source)
    assert texts[0] == texts[1]
    assert "Algorithms as measured on SkylakeX, 1 threads, table 0badcafe.\n" in texts[0].split('"""')[1]
