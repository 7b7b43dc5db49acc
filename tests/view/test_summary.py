"""Receptive fields by hand-computed cases, and the rows of the table."""

from cnndsl import ops
from cnndsl.graph.graph import Graph
from cnndsl.view.receptive import receptive_fields
from cnndsl.view.summary import Summary, rows


def lenet_like() -> Graph:
    g = Graph("tiny")
    x = g.input("image", (28, 28, 1))
    y = x.conv(6, (5, 5), pad=2).tanh().avg_pool((2, 2)).conv(16, (5, 5)).tanh().avg_pool((2, 2))
    g.output(y.flatten().dense(10, name="logits").softmax())
    return g


def test_receptive_fields_of_lenet() -> None:
    # 5; 5 + 1·1; 6 + 4·2; 14 + 1·2; then everything. As computed by hand.
    assert [r.receptive_field for r in rows(lenet_like())] == [
        (5, 5), (5, 5), (6, 6), (14, 14), (14, 14), (16, 16), (28, 28), (28, 28), (28, 28),
    ]  # fmt: skip


def test_stride_and_dilation() -> None:
    g = Graph("g")
    y = (
        g.input("image", (64, 48, 3))
        .conv(4, (3, 3), stride=2, pad=1)
        .conv(4, (3, 5), dilation=2, pad=4)
        .conv(4, (3, 3), stride=(2, 1))
    )
    # 3; 3 + 2·2·2 = 11 and 3 + 4·2·2 = 19; + 2·2
    assert [r.receptive_field for r in rows(g)] == [(3, 3), (11, 19), (15, 23)]
    assert receptive_fields(g)[y] == (15, 23)


def test_a_join_sees_what_its_widest_branch_sees() -> None:
    g = Graph("g")
    x = g.input("image", (32, 32, 4))
    wide = x.conv(4, (7, 7), pad=3)
    y = x.conv(4, (1, 1)).add(wide)
    assert receptive_fields(g)[y] == (7, 7)
    pooled = y.global_avg_pool()
    assert receptive_fields(g)[pooled] == (32, 32)


def test_symbolic_sizes_stay_open() -> None:
    from cnndsl.graph.sizes import Affine

    g = Graph("g")
    size = Affine.symbol("H")
    g.output(g.input("image", (size, size, 3)).conv(4, (3, 3), pad=1, name="first").global_avg_pool())
    first, last = rows(g)
    assert (first.multiply_adds, first.output_shape) == (None, (size, size, 4))
    assert last.as_dict()["receptive_field"] == ["H", "H"]


def test_rows_of_lenet() -> None:
    found = rows(lenet_like())
    assert [(r.name, r.op, r.output_shape, r.parameters, r.multiply_adds) for r in found if r.parameters] == [
        ("conv", "conv", (28, 28, 6), 156, 28 * 28 * 6 * 25),
        ("conv2", "conv", (10, 10, 16), 2416, 10 * 10 * 16 * 150),
        ("logits", "dense", (10,), 4010, 4000),
    ]
    assert found[0].detail == "5x5 pad 2"
    assert found[2].detail == "2x2 stride 2"


def test_a_head_is_marked_and_its_parameters_stay_out() -> None:
    g = Graph("g")
    x = g.input("image", (8, 8, 3)).conv(4, (3, 3))
    g.heads["aux"] = x.global_avg_pool().dense(10, name="side")
    g.output(x.global_avg_pool().dense(10, name="logits"))
    assert {r.name: r.head for r in rows(g)} == {
        "conv": "", "global_avg_pool": "aux", "side": "aux", "global_avg_pool2": "", "logits": "",
    }  # fmt: skip


def test_the_table_is_aligned() -> None:
    found = rows(lenet_like())
    table = Summary("tiny", {"image": (28, 28, 1)}, (10,), 6582, 12, 361600, found).table().splitlines()
    assert table[0] == "tiny: image 28x28x1 -> 10"
    assert table[4].split() == ["conv", "conv", "5x5", "pad", "2", "28x28x6", "156", "117,600", "5x5"]
    assert table[-2:] == [
        "6,582 parameters (26 kB), 361,600 multiply-adds an image",
        "and 12 parameters in heads, which exist in training only",
    ]


assert ops.OPS  # the words of the graph API
