"""Which values carry the batch: also where the number of channels happens to be the batch's size."""

from __future__ import annotations

import pytest

import cnndsl.ops  # noqa: F401  (fills the registry)
from cnndsl.errors import CnnError
from cnndsl.graph.batch import batched_values
from cnndsl.graph.graph import INPUT, Graph, Origin, State
from cnndsl.graph.types import TensorType
from cnndsl.ops.fused import FUSED, FusedAttrs


def test_statistics_are_no_batch() -> None:
    """16 images of 16 channels."""
    g = Graph()
    x = g.source(INPUT, "x", TensorType((16, 4, 4, 16)), Origin("x"), True)
    mean, variance = g.moments(x)
    y = g.pointwise(lambda e, v, m, s: (v - m) / e.sqrt(s + 1e-3), x, mean, variance)
    total = g.reduce_sum(y, axes=(0, 1, 2))
    assert batched_values(g) == {x, y}
    assert total not in batched_values(g)


def test_weights_and_their_gradients_are_no_batch() -> None:
    g = Graph()
    x = g.source(INPUT, "x", TensorType((2, 3)), Origin("x"), True)
    w = g.add_state(State("w", TensorType((3, 2))))
    y = g.matmul(x, w)
    gw = g.matmul(x, y, transpose_a=True)
    bits = g.random_bits(
        g.source(INPUT, "seed", TensorType((), "uint64"), Origin("seed")),
        g.add_state(State("step", TensorType((), "int64"), "counter")),
        stream=1,
        sizes=(2, 3),
    )
    assert batched_values(g) == {x, y, bits}
    assert gw not in batched_values(g)


def test_a_fused_node_is_asked_output_by_output() -> None:
    """A sum with the values it sums as a second output: one is the batch's, the other is not."""
    inner = Graph()
    x = inner.source(INPUT, "x", TensorType((4, 5)), Origin("x"), True)
    y = inner.tanh(x)
    inner.output(y, "each")
    inner.output(inner.reduce_sum(y, axes=(0,)), "sum")
    g = Graph()
    given = g.source(INPUT, "x", TensorType((4, 5)), Origin("x"), True)
    each, _ = g.add(FUSED, [given], FusedAttrs(inner))
    assert batched_values(g) == {given, each}


HEAD = "# after 02 inference\n# rest fuse\n# for inference, target numpy, batch {}, threads 2\n"
FLAT = """graph "g" {
  %x = input "x" batched -> float32[4,2,3] @ "x"
  %y = view(%x) shape=(4, 6) -> float32[4,6]
  %z = relu(%y) -> float32[4,6]
  output "output" = %z
}
"""


@pytest.mark.parametrize(
    ("batch", "old", "new", "says"),
    [
        (3, "", "", "the first lines say batch 3"), (8, "", "", "is float32[4,2,3]"), (1, "", "", "batch 1"),
        (4, "[4,2,3]", "[2,4,3]", "is float32[2,4,3]"), (4, "[4,2,3]", "[24]", "is float32[24]"),
        (4, "shape=(4, 6) -> float32[4,6]", "shape=(8, 3) -> float32[8,3]", "of a batch float32[4,2,3]"),
        (4, "shape=(4, 6) -> float32[4,6]", "shape=(2, 12) -> float32[2,12]", "of a batch"),
    ],
)  # fmt: skip
def test_a_stage_has_one_batch(batch: int, old: str, new: str, says: str) -> None:
    from cnndsl.passes.stages import read_stage
    from cnndsl.runtime.compile import lower

    graph, stage = read_stage(HEAD.format(4) + FLAT, "x")
    lower(graph, target="numpy", options=stage.options())
    text = FLAT.replace(old, new)
    shape = new.rpartition("float32")[2]
    if "shape=" in new:
        text = text.replace("%z = relu(%y) -> float32[4,6]", f"%z = relu(%y) -> float32{shape}")
    graph, stage = read_stage(HEAD.format(batch) + text, "x")
    with pytest.raises(CnnError) as e:
        lower(graph, target="numpy", options=stage.options())
    assert e.value.code == "E608"
    assert says in str(e.value)
