"""fold_constants, common_subexpressions, dead_code, specialise, inference, training, the runner and its account."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cnndsl.errors import CnnError
from cnndsl.graph.graph import CONSTANT, Graph
from cnndsl.graph.read import parse_graph
from cnndsl.graph.text import to_text
from cnndsl.passes.common_subexpressions import common_subexpressions
from cnndsl.passes.context import Context, Log, Options
from cnndsl.passes.dead_code import dead_code
from cnndsl.passes.explain import explain
from cnndsl.passes.fold_constants import fold_constants
from cnndsl.passes.inference import inference
from cnndsl.passes.pipelines import INFERENCE
from cnndsl.passes.runner import run_passes
from cnndsl.passes.specialise import specialise
from cnndsl.passes.stages import dumper
from cnndsl.passes.training import training
from cnndsl.targets.reference.interpreter import evaluate
from tests.passes.networks import after, bound, context, refusals, residual, words


def test_constants_fold_and_stay_small() -> None:
    g = Graph("g")
    x = g.input("x", (2,))
    two = g.pointwise(lambda e, a, b: a + b, g.constant(1.0), g.constant(1.0))
    g.output(g.pointwise(lambda e, a, b: a * b, x, two))
    wide = g.pointwise(lambda e, a, b: a + b, g.constant([0.5] * 40, shape=(40, 1)), g.constant([0.5] * 40, shape=(1, 40)))
    g.output(wide, "wide")
    ctx = context()
    new = after(bound(g), (fold_constants, dead_code), ctx)
    assert words(new) == ["pointwise", "pointwise"]
    assert [n.attrs.data for n in new.nodes if n.op.name == "constant" and n.outputs[0].type.shape == ()] == [(2.0,)]
    assert "6400 bytes" in refusals(ctx)[0]


def test_what_is_folded_keeps_its_digits() -> None:
    g = Graph("digits")
    x = g.input("image", (2, 1))
    third = g.pointwise(lambda e, a: a / 3.0, g.constant(0.1))
    g.output(g.pointwise(lambda e, p, q: p * q, x, third))
    new = after(bound(g), (fold_constants, dead_code), context())
    assert [n.attrs.data for n in new.nodes if n.op is CONSTANT] == [(0.1 / 3.0,)]


def test_what_is_beyond_float32_is_not_folded() -> None:
    g = Graph("large")
    large = g.pointwise(lambda e, a: a * 1e30, g.constant(1e30))
    g.output(g.pointwise(lambda e, p, q: p * q, g.input("image", (2, 1)), large))
    ctx = context()
    fold_constants(bound(g), ctx)
    assert refusals(ctx) == ["its result is not finite"]


def test_the_same_thing_is_computed_once() -> None:
    g = Graph("g")
    x = g.input("x", (4, 4, 1))
    g.output(x.relu().add(x.relu()).add(x.max_pool((2, 2), stride=1, pad="same")).add(x.max_pool((2, 2), stride=1, pad="same")))
    assert sorted(words(after(bound(g), (common_subexpressions,), context()))) == ["add", "add", "add", "max_pool", "relu"]


def test_zeros_of_both_signs_and_operands_in_order_differ() -> None:
    g = Graph("g")
    x, y = g.input("x", (4,)), g.input("y", (4,))
    g.output(g.pointwise(lambda e, a: a * 0.0, x), "plus")
    g.output(g.pointwise(lambda e, a: a * -0.0, x), "minus")
    g.output(x.subtract(y), "a")
    g.output(y.subtract(x), "b")
    assert len(words(after(bound(g), (common_subexpressions,), context()))) == 4


def test_two_dropouts_differ_and_a_shared_seed_is_one_input() -> None:
    g = Graph("g")
    g.output(g.input("x", (8,)).dropout(0.5).dropout(0.25))
    new = after(training(bound(g), context(training=True)), (common_subexpressions,), context(training=True))
    assert words(new).count("random_bits") == 2
    assert list(new.inputs) == ["seed", "x"]
    assert new.state["step"].kind == "counter"


def test_noise_is_as_loud_as_it_says() -> None:
    """40,000 numbers, whose deviation and whose share beyond twice of it are those of a normal distribution."""
    g = Graph("g")
    g.output(g.input("x", (100, 100, 4)).noise(0.25))
    x = np.full((1, 100, 100, 4), 3.0)
    state = {"step": np.array(7)}
    given = {"x": x, "seed": np.array(5, np.uint64)}
    found = evaluate(training(bound(g), context(training=True)), given, state, dtype="float64")[0]["output"] - x
    assert abs(found.mean()) < 0.005
    assert found.std() == pytest.approx(0.25, rel=0.02)
    assert (np.abs(found) > 0.5).mean() == pytest.approx(0.0455, rel=0.1)


def test_inference_drops_heads_and_dropout() -> None:
    g = Graph("g")
    x = g.input("x", (8,)).dense(4)
    g.heads["side"] = x.dense(2)
    g.names["inner"] = x
    g.output(x.dropout(0.5).relu())
    assert words(after(bound(g), (inference, dead_code), context())) == ["dense", "relu"]
    kept = run_passes(bound(g), (inference, dead_code), context(heads=True, outputs=("output", "inner")))
    assert list(kept.outputs) == ["output", "inner", "side"]
    with pytest.raises(CnnError, match="did you mean inner"):
        run_passes(bound(g), (inference,), context(outputs=("iner",)))


def test_a_size_that_is_not_given() -> None:
    from cnndsl.graph.sizes import Affine

    g = Graph("g")
    g.output(g.input("image", (Affine.symbol("H"), 8, 3)).relu())
    with pytest.raises(CnnError, match="no size is given for H"):
        specialise(g, context())
    assert specialise(g, context(sizes={"H": 5})).outputs["output"].type.shape == (3, 5, 8, 3)


def test_running_statistics() -> None:
    new = training(bound(residual()), context(training=True))
    assert words(new).count("moments") == 4
    assert sorted(n.rsplit(".")[-1] for n in new.updates) == ["mean"] * 4 + ["variance"] * 4


def test_dumps_can_be_read_back(tmp_path: Path) -> None:
    new = run_passes(residual(), INFERENCE, context(), dumper(tmp_path, "numpy", context().options))
    files = sorted(tmp_path.iterdir())
    assert len(files) == len(INFERENCE) and files[0].name == "01_specialise.txt"
    assert to_text(parse_graph(files[-1].read_text(encoding="utf-8"))) == to_text(new)


def test_a_pass_left_out_and_the_account() -> None:
    ctx = Context(None, Options(batch=3, without=frozenset({"fold_batch_norm"})), Log())
    run_passes(residual(), INFERENCE, ctx)
    text = explain(ctx.log)
    assert "fold_batch_norm" not in text
    assert "multiply-adds" in text and "conv + batch_norm + relu" in text


def test_a_pass_that_breaks_the_graph_is_found() -> None:
    def breaking(graph: Graph, ctx: Context) -> Graph:
        graph.nodes.reverse()
        return graph

    with pytest.raises(CnnError) as e:
        run_passes(residual(), (breaking,), context())
    assert e.value.code == "E601"


@pytest.mark.parametrize(("training", "resumed", "breaks"), [(False, 0, False), (True, 0, True), (False, 3, True)])
def test_sizes_that_are_open_are_found_where_all_are_bound(training: bool, resumed: int, breaks: bool) -> None:
    """A training step, and a graph that was read, have integer sizes from the first pass on; a model has them later."""

    def opening(graph: Graph, ctx: Context) -> Graph:
        g = Graph("open")
        g.output(g.input("image", (4, 4, 1)).relu())
        return g

    ctx = context(training=training, resumed=resumed)
    if breaks:
        with pytest.raises(CnnError, match="a size is not bound"):
            run_passes(bound(residual()), (opening,), ctx)
    else:
        assert words(run_passes(residual(), (opening,), ctx)) == ["relu"]


def test_a_pass_after_specialise_may_leave_no_size_open() -> None:
    def opening(graph: Graph, ctx: Context) -> Graph:
        return residual()

    with pytest.raises(CnnError, match="a size is not bound"):
        run_passes(residual(), (specialise, opening), context())
