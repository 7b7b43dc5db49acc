"""Receptive fields by hand-computed cases, and the rows of the table."""

from pathlib import Path

import pytest

from cnndsl import load, ops
from cnndsl.graph.graph import Graph
from cnndsl.graph.read import parse_graph
from cnndsl.graph.sizes import Affine
from cnndsl.graph.text import to_text
from cnndsl.view.receptive import seen
from cnndsl.view.summary import Row, graph_summary, peak, summary
from cnndsl.view.summary import rows as rows_of


def rows(graph: Graph) -> list[Row]:
    return list(rows_of(graph).values())


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


def test_resampling_changes_the_step() -> None:
    g = Graph("g")
    h = Affine.symbol("H/2") * 2
    x = g.input("image", (h, 12, 3)).conv(4, (3, 3), stride=2, pad="same").upsample(2, "bilinear").conv(4, (3, 3), pad="same")
    y = g.input("other", (12, 12, 3)).downsample(2).space_to_depth(2).upsample(2).conv(4, (3, 3))
    g.output(x)
    found = {r.name: (r.seen.size, r.seen.step) for r in rows_of(g).values()}
    assert found["conv"] == ((3, 3), (2, 2))
    assert found["upsample"] == ((5, 5), (1, 1))
    assert found["conv2"] == ((7, 7), (1, 1))
    assert found["downsample"] == ((2, 2), (2, 2))
    assert found["space_to_depth"] == ((4, 4), (4, 4))
    assert found["conv3"] == ((8, 8), (2, 2))
    assert y.type.space == (4, 4)


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
    assert seen(g)[y].size == (15, 23)


def test_a_join_sees_what_its_widest_branch_sees() -> None:
    g = Graph("g")
    x = g.input("image", (32, 32, 4))
    wide = x.conv(4, (7, 7), pad=3)
    y = x.conv(4, (1, 1)).add(wide)
    assert seen(g)[y].size == (7, 7)
    pooled = y.global_avg_pool()
    assert seen(g)[pooled].size == (32, 32)


def test_symbolic_sizes_stay_open() -> None:
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
    assert found[0].detail == "6 5x5 pad 2·2"
    assert found[2].detail == "2x2 stride 2"
    assert [r.bytes for r in found[:3]] == [4 * 28 * 28 * 6, 4 * 28 * 28 * 6, 4 * 14 * 14 * 6]


def test_a_head_is_marked_and_its_parameters_stay_out() -> None:
    g = Graph("g")
    x = g.input("image", (8, 8, 3)).conv(4, (3, 3))
    g.heads["aux"] = x.global_avg_pool().dense(10, name="side")
    g.output(x.global_avg_pool().dense(10, name="logits"))
    assert {r.name: r.head for r in rows(g)} == {
        "conv": "", "global_avg_pool": "aux", "side": "aux", "global_avg_pool2": "", "logits": "",
    }  # fmt: skip


def test_steps_and_starts() -> None:
    g = Graph("g")
    x = g.input("image", (224, 224, 3))
    y = x.conv(4, (7, 7), stride=2, pad=3).max_pool((3, 3), stride=2, pad=1)
    # One row of the pool is four of the input; its first window begins one row of the convolution above it: 3 + 2.
    found = seen(g)[y]
    assert (found.size, found.step, found.start) == ((11, 11), (4, 4), (-5, -5))
    told = rows(g)[1].as_dict()
    assert (told["receptive_stride"], told["receptive_offset"], told["pad"]) == ([4, 4], [-5, -5], [[1, 1], [1, 1]])
    assert "receptive_stride" in rows(g)[1].as_dict()


def test_what_padding_and_rounding_came_to() -> None:
    g = Graph("g")
    x = g.input("image", (112, 111, 3))
    x.max_pool((3, 3), stride=2, pad="same")
    x.max_pool((3, 3), stride=2, round="ceil")
    x.max_pool((2, 2))
    x.conv(4, (3, 3), pad="same_symmetric")
    assert [r.detail for r in rows(g)] == [
        "3x3 stride 2 pad 0·1, 1·1 from same",
        "3x3 stride 2 ceil +1, +0",
        "2x2 stride 2 unread 0, 1",
        "4 3x3 pad 1·1 from same_symmetric",
    ]


def test_one_and_three_axes() -> None:
    g = Graph("g")
    line = g.input("line", (100, 4)).conv(8, (5,), stride=2)
    cube = g.input("cube", (8, 16, 16, 1)).conv(2, (3, 3, 3), pad=1)
    g.output(line, "first")
    g.output(cube, "second")
    table = graph_summary(g, "two").table()
    assert table.startswith("two: line 100x4, cube 8x16x16x1 -> first 48x8, second 8x16x16x2\n")
    assert "conv 8 k5 stride 2" in table
    assert "conv 2 3x3x3 pad 1·1" in table


def test_the_peak_by_hand() -> None:
    g = Graph("g")
    x = g.input("image", (4, 4, 1))  # 64 bytes
    y = x.conv(2, (1, 1))  # 128; 192 with the image
    z = y.relu().add(y)  # relu and y: 256; with the sum: 384
    g.output(z.flatten())
    assert peak(g, rows_of(g)) == 384


def test_open_sizes_are_said() -> None:
    g = Graph("g")
    g.output(g.input("image", (Affine.symbol("H"), 8, 3)).conv(4, (3, 3), pad=1).global_avg_pool())
    table = graph_summary(g).table()
    assert "open multiply-adds an image" in table
    assert "activation bytes depend on sizes that are open" in table


def test_names_cannot_steer_a_terminal() -> None:
    g = Graph("g\x1b[31m")
    g.output(g.input("image\x07", (4, 4, 1)).conv(2, (1, 1), name="red"))
    g = parse_graph(to_text(g).replace('"red', '"red\\u001b[31m'))
    assert graph_summary(g).table().replace("\n", "").isprintable()


@pytest.mark.parametrize("name", ["lenet5", "resnet18", "googlenet"])
def test_golden_tables(name: str, request: pytest.FixtureRequest) -> None:
    """`pytest --update-golden` writes them anew."""
    text = summary(load(name)).table() + "\n"
    path = Path(__file__).parent / "golden" / f"{name}.txt"
    if request.config.getoption("--update-golden"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["resnet152", "googlenet", "inception_v3"])
def test_large_models_fit_a_screen(name: str) -> None:
    found = summary(load(name))
    assert len(found.table().splitlines()) <= 56
    assert len(found.table(99).splitlines()) > 56


def test_folding_loses_nothing() -> None:
    """Folded at any depth, the lines of the outermost level add up to the totals."""
    found = summary(load("resnet152"))
    for depth in (0, 1, 99):
        lines = found.table(depth).splitlines()
        end = lines[2].index("parameters") + len("parameters")
        outer = [line for line in lines[4 : lines.index("", 4)] if not line.startswith(" ")]
        cells = [line[end - 10 : end].strip().replace(",", "") for line in outer]
        assert sum(int(cell) for cell in cells if cell) == 60_192_808


assert ops.OPS  # the words of the graph API
