"""verify finds what is broken; equality and networkx see the graph as it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import cnndsl.ops  # noqa: F401  (fills the registry)
from cnndsl.errors import CnnError
from cnndsl.graph.graph import Graph, State
from cnndsl.graph.networks import to_networkx
from cnndsl.graph.types import TensorType
from cnndsl.graph.verify import verify


def small() -> Graph:
    g = Graph("small")
    x = g.input("image", (6, 6, 2))
    y = x.conv(3, (3, 3)).relu()
    g.output(y.add(y))
    return g


def reorder(g: Graph) -> None:
    g.nodes[-1], g.nodes[-2] = g.nodes[-2], g.nodes[-1]


def retype(g: Graph) -> None:
    g.nodes[-1].outputs[0].type = TensorType((1, 2, 3))


def borrow(g: Graph) -> None:
    g.outputs["output"] = small().outputs["output"]


def lose_state(g: Graph) -> None:
    del g.state_values["conv.weight"]


def rename_input(g: Graph) -> None:
    g.inputs["picture"] = g.inputs.pop("image")


def wrong_update(g: Graph) -> None:
    g.updates["conv.bias"] = g.outputs["output"]


@pytest.mark.parametrize("harm", [reorder, retype, borrow, lose_state, rename_input, wrong_update])
def test_a_broken_graph_is_refused(harm: Callable[[Graph], None]) -> None:
    g = small()
    verify(g)
    harm(g)
    with pytest.raises(CnnError) as caught:
        verify(g)
    assert caught.value.code == "E601"


def test_symbols_are_refused_once_sizes_must_be_bound() -> None:
    with pytest.raises(CnnError, match="a size is not bound"):
        verify(small(), specialised=True)


def test_two_states_of_one_name_are_refused() -> None:
    g = Graph("g")
    g.add_state(State("w", TensorType((2,))))
    with pytest.raises(CnnError) as caught:
        g.add_state(State("w", TensorType((2,))))
    assert caught.value.code == "E204"


def test_networkx_keeps_parallel_edges_and_their_order() -> None:
    g = small()
    net = to_networkx(g)
    last = g.nodes[-1]
    assert net.number_of_nodes() == len(g.nodes)
    assert net.number_of_edges() == sum(len(n.operands) for n in g.nodes)
    assert net.number_of_edges(last.operands[0].node.id, last.id) == 2
