"""The text of a graph is that graph: every bundled model, and graphs drawn at random."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from cnndsl.graph.equality import difference, equal
from cnndsl.graph.graph import Graph
from cnndsl.graph.read import parse_graph
from cnndsl.graph.text import to_text
from cnndsl.language.load import bundled_models, load
from tests.language.generated_graphs import generated
from tests.language.test_writing import TEMPLATES


def apart(g: Graph) -> str:
    """In what the graph that is read differs from `g`: nothing."""
    text = to_text(g)
    back = parse_graph(text)
    orders = [[list(getattr(x, what)) for what in ("inputs", "outputs", "heads", "names", "state")] for x in (g, back)]
    told = difference(g, back) or ("" if orders[0] == orders[1] else f"another order: {orders}")
    return told or ("" if equal(g, back) and to_text(back) == text else "its text is another")


def report(seeds: Iterable[int]) -> str:
    return "\n".join(f"graph {seed}: {told}" for seed in seeds if (told := apart(generated(seed))))


@pytest.mark.parametrize("name", sorted(bundled_models()))
def test_bundled_models(name: str) -> None:
    arguments: dict[str, Any] = TEMPLATES.get(name, {})
    assert not apart(load(name, **arguments).graph)


def test_generated_graphs() -> None:
    assert not report(range(150))


@pytest.mark.campaign
@pytest.mark.parametrize("first", range(1_000, 11_000, 500))
def test_ten_thousand_generated_graphs(first: int) -> None:
    assert not report(range(first, first + 500))
