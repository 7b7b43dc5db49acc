"""Printed chains on operands that broadcast in unusual ways."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cnndsl.ops  # noqa: F401  (fills the registry)
from cnndsl.graph.graph import Graph
from cnndsl.passes.context import Context, Options
from cnndsl.passes.specialise import specialise
from cnndsl.runtime.compile import compile_step_graph


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
