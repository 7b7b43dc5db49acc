"""Printed chains on operands that broadcast in unusual ways."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cnndsl
import cnndsl.ops  # fills the registry
from cnndsl.graph.graph import Graph
from cnndsl.passes.context import Context, Options
from cnndsl.passes.specialise import specialise
from cnndsl.runtime.compile import compile_step_graph, lower
from cnndsl.runtime.tune import untuned
from tests.tolerances import NETWORK, close


@pytest.mark.parametrize("rank", [0, 1, 2, 3, 4])
def test_what_is_computed_of_one_number_stays_one_number(rank: int) -> None:
    """One number of more axes than a tile would stretch the tile; so would a statement of it that stands before the loop."""
    g = Graph("single")
    x = g.input("x", (2, 3))
    one = g.input("one", (1,) * rank, batched=False)
    found = g.pointwise(lambda e, a, b: e.select(a > 0, b * 0.5, a), x, one)
    g.output(g.pointwise(lambda e, a: a, found))
    given: dict[str, Any] = {
        "x": np.arange(-3, 3, dtype=np.float32).reshape(1, 2, 3),
        "one": np.full((1,) * rank, 8, np.float32),
    }
    run = compile_step_graph(specialise(g, Context(None, Options())), {}, batch=1)
    np.testing.assert_array_equal(np.ravel(run(**given)["output"]), [-3, -2, -1, 0, 4, 4])


def test_a_sum_in_float64_of_a_chain() -> None:
    """No kernel sums float64, so nothing is fused into such a sum: both run, by their meaning."""
    g = Graph("wide")
    x = g.input("image", (4, 4, 3), "float64")
    g.output(g.reduce_sum(g.pointwise(lambda e, a: a * a + 1.0, x), axes=(0, 1, 2)))
    given = np.linspace(-1, 1, 2 * 48).reshape(2, 4, 4, 3)
    run = compile_step_graph(specialise(g, Context(None, Options(batch=2))), {}, batch=2, threads=1)
    np.testing.assert_allclose(run(image=given)["output"], (given**2 + 1).sum(axis=(0, 1, 2)), rtol=1e-12)


def test_what_is_read_twice_is_written_once() -> None:
    """Sixteen steps on a vector, each of which reads the one before twice: nested, the text would have 2¹⁶ of them."""
    g = Graph("deep")
    x, v = g.input("x", (5, 3)), g.input("v", (3,), batched=False)
    for _ in range(16):
        v = g.pointwise(lambda e, a: a * (a + 0.5), v)
    g.output(g.pointwise(lambda e, a, b: a + b, x, v))
    run = compile_step_graph(specialise(g, Context(None, Options())), {}, batch=1, threads=1)
    assert len(run.source) < 60_000
    image, start = np.ones((1, 5, 3), np.float32), np.array([0.1, 0.2, 0.3], np.float32)
    want = start.copy()
    for _ in range(16):
        want = want * (want + np.float32(0.5))
    np.testing.assert_allclose(run(x=image, v=start)["output"], image + want, rtol=1e-5)


@pytest.mark.parametrize("shape", [(40, 30, 30), (1, 40, 30, 30), (1, 1, 30, 30), (30, 30), (40, 1, 1)])
def test_what_all_images_share_is_read_whole_for_each(shape: tuple[int, ...]) -> None:
    """A tile is an image here: no part of what has no images may be taken in its place."""
    g = Graph("shared")
    x, v = g.input("x", (40, 30, 30)), g.input("v", shape, batched=False)
    g.output(g.pointwise(lambda e, a, b: a * b, x, v))
    run = compile_step_graph(specialise(g, Context(None, Options(batch=3))), {}, batch=3, threads=1)
    rng = np.random.default_rng(0)
    images, shared = (rng.standard_normal(s).astype(np.float32) for s in ((3, 40, 30, 30), shape))
    np.testing.assert_array_equal(run(x=images, v=shared)["output"], images * shared)


def test_a_chain_works_in_what_it_may_write_over() -> None:
    """In its result, from where nothing that lies there is read later; in the sums of a product that lies apart."""
    g = Graph("residual")
    x = g.input("image", (9, 12, 3)).conv(16, (3, 3), pad=1).relu()
    g.output(x.conv(4, (1, 1)).relu().conv(16, (1, 1)).add(x).relu().global_avg_pool())
    text = lower(g, target="numpy", options=Options())[1]
    assert "product holds the positions start:stop alone, and is written over." in text
    assert "def bias_relu(bias, out, *, wide):" in text
    assert "def bias_add_relu(product, bias, out, *, wide):" in text  # neither takes scratch


def test_what_is_chosen_number_by_number_takes_no_array_of_numpys_own() -> None:
    g = Graph("leaky")
    g.output(g.input("image", (9, 12, 3)).conv(16, (3, 3), pad=1).leaky_relu())
    text = lower(g, target="numpy", options=Options())[1]
    assert "select(" in text and "np.where(" not in text


@pytest.mark.parametrize("shape", [(), (1,), (1, 1, 1), (128,)])
def test_workers_that_share_filters_read_one_number_whole(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnndsl.program.regions.FORK_SECONDS", 0.0)
    g = Graph("one")
    x, v = g.input("image", (2, 2, 128)), g.input("v", shape, batched=False)
    y = x.conv(128, (1, 1))
    g.output(g.pointwise(lambda e, a, b: e.max(a * b, 0.0), y, v))
    w = g.initial_weights(0)
    rng = np.random.default_rng(0)
    given = {"image": rng.standard_normal((1, 2, 2, 128)).astype(np.float32), "v": np.full(shape, 0.7, np.float32)}
    with untuned(2):
        run = cnndsl.compile(g, w, batch=1, threads=2)
    assert "# its filters" in run.source
    want = cnndsl.compile(g, w, target="reference", batch=1)(**given)
    close(run(**given), want, NETWORK)
