"""Sizes that a network leaves open: bound where the batch stays free."""

from __future__ import annotations

import pytest

import cnndsl
from cnndsl.errors import CnnError
from cnndsl.passes.specialise import bind_sizes

OPEN = """
model open {
    input image: HxWx3 where H % 4 == 0, W % 4 == 0
    conv(8, 3x3, stride = 2, pad = same) -> max_pool(2x2)
}
"""


def test_sizes_are_bound_and_the_batch_stays() -> None:
    graph = bind_sizes(cnndsl.load_text(OPEN).graph, {"H": 16, "W": 24})
    assert str(graph.inputs["image"].type) == "float32[N,16,24,3]"
    assert [str(x.type) for x in graph.outputs.values()] == ["float32[N,4,6,8]"]


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ({"H": 16}, "no size is given for W"),
        ({"H": 16, "W": 22}, "W is a multiple of 4, not 22"),
        ({"H": 16, "W": 24, "D": 3}, "no size named D"),
        ({"H": 16, "W": 24, "N": 3}, "N is the batch"),
    ],
)
def test_sizes_that_cannot_be_bound(sizes: dict[str, int], says: str) -> None:
    with pytest.raises(CnnError, match=says):
        bind_sizes(cnndsl.load_text(OPEN).graph, sizes)
