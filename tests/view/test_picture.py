"""The picture: nothing overlaps, every step is there once, edges end at boxes, and the text is valid and harmless."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from itertools import pairwise

import pytest

from cnndsl import load
from cnndsl.graph.graph import SOURCES, Graph
from cnndsl.graph.read import parse_graph
from cnndsl.graph.text import to_text
from cnndsl.view.fold import tree
from cnndsl.view.picture import picture
from cnndsl.view.shapes import Line, Picture, Shape
from cnndsl.view.svg import svg

MODELS = [
    "lenet5", "resnet18", "resnet50", "googlenet", "inception_v3", "se_resnet50", "densenet121", "squeezenet", "preact",
    "mobilenet_v2", "hourglass", "unet", "vgg16",
]  # fmt: skip
SLACK = 0.05


def unet() -> Graph:
    """Two levels with skips, as the graph API writes them."""
    g = Graph("unet")
    kept = []
    x = g.input("image", (64, 64, 1))
    for k in range(3):
        with g.inside(f"down{k}"):
            x = x.conv(8 << k, (3, 3), pad=1).relu()
            kept.append(x)
        x = x.max_pool((2, 2))
    x = x.conv(64, (1, 1)).relu()
    for k in range(3):
        x = x.concat(kept[-1 - k], fit="crop").conv(8, (1, 1))
    g.output(x)
    return g


@pytest.fixture(scope="module", params=[*MODELS, "small unet", "resnet18 in one column"])
def drawn(request: pytest.FixtureRequest) -> tuple[Graph, Picture]:
    name, _, columns = request.param.partition(" in ")
    graph = unet() if name == "small unet" else load(name).graph
    return graph, picture(graph, columns=1 if columns else None)


def rectangle(s: Shape) -> tuple[float, float, float, float]:
    return s.x, s.y, s.x + s.width, s.y + s.height


def overlap(a: Shape, b: Shape) -> bool:
    p, q = rectangle(a), rectangle(b)
    return p[0] < q[2] - SLACK and q[0] < p[2] - SLACK and p[1] < q[3] - SLACK and q[1] < p[3] - SLACK


def test_boxes_do_not_overlap(drawn: tuple[Graph, Picture]) -> None:
    shapes = drawn[1].shapes
    inside: dict[int, list[Shape]] = {}
    for s in shapes:
        inside.setdefault(id(s.parent), []).append(s)
    for beside in inside.values():
        for k, a in enumerate(beside):
            assert not any(overlap(a, b) for b in beside[k + 1 :])


def test_what_is_inside_stays_inside(drawn: tuple[Graph, Picture]) -> None:
    found = drawn[1]
    for s in found.shapes:
        x0, y0, x1, y1 = rectangle(s)
        assert 0 <= x0 < x1 <= found.width
        assert 0 <= y0 < y1 <= found.height
        if s.parent in found.shapes:
            p = rectangle(s.parent)
            assert p[0] < x0 and p[1] < y0 and x1 < p[2] and y1 <= p[3]


def test_every_step_stands_there_once(drawn: tuple[Graph, Picture]) -> None:
    """Once in all with its equal repetitions; `identity` is an edge, inputs are pills."""
    graph, found = drawn
    times: Counter[int] = Counter()
    for s in found.shapes:
        times.update(n.id for n in s.nodes if n.op not in SOURCES)
    folded = {n.id for g in _groups(graph) for copy in g.copies for n in copy.all_nodes()}
    wanted = {n.id for n in graph.nodes if n.op not in SOURCES and n.op.name not in ("identity", "spread")}
    assert set(times.values()) == {1}
    assert set(times) | folded >= wanted
    assert sum(s.count > 1 and not s.unequal for s in found.shapes) == sum(
        bool(g.copies) for g in _groups(graph) if _shown(g, found)
    )


def _groups(graph: Graph) -> list:  # type: ignore[type-arg]
    stack, found = [tree(graph)], []
    while stack:
        group = stack.pop()
        found.append(group)
        stack += [p for p in group.parts if hasattr(p, "parts")]
    return found


def _shown(group: object, found: Picture) -> bool:
    """Whether the first steps of the group have a shape of their own: its block was unfolded so far."""
    return any(s.tip.startswith(f"{group.path}: ") for s in found.shapes if s.kind in ("block", "folded"))  # type: ignore[attr-defined]


def test_edges_end_at_boxes(drawn: tuple[Graph, Picture]) -> None:
    for line in drawn[1].lines:
        if line.head is not None:
            assert _on_border(line.head, line.points[-1])
        if line.tail is not None:
            assert _on_border(line.tail, line.points[0])


def _on_border(s: Shape, point: tuple[float, float]) -> bool:
    x0, y0, x1, y1 = rectangle(s)
    x, y = point
    within = x0 - SLACK <= x <= x1 + SLACK and y0 - SLACK <= y <= y1 + SLACK
    return within and min(abs(x - x0), abs(x - x1), abs(y - y0), abs(y - y1)) <= SLACK


def test_no_line_runs_through_a_box(drawn: tuple[Graph, Picture]) -> None:
    """Beside its ends and the blocks around it, the straight hull of a line meets no box of its level or inside."""
    found = drawn[1]
    for line in found.lines:
        around = _above(line.head or line.tail) | _above(line.tail or line.head)
        for s in found.shapes:
            if s in around or (s.parent in found.shapes and s.parent not in around):
                continue
            for (xa, ya), (xb, yb) in pairwise(line.points):
                x0, y0, x1, y1 = rectangle(s)
                apart = max(xa, xb) <= x0 + 0.5 or min(xa, xb) >= x1 - 0.5 or max(ya, yb) <= y0 + 0.5 or min(ya, yb) >= y1 - 0.5
                assert apart, (line.points, s.kind, s.title, rectangle(s))


def _above(s: Shape | None) -> set[Shape]:
    found = set()
    while s is not None:
        found.add(s)
        s = s.parent
    return found


@pytest.mark.parametrize("name", MODELS)
def test_valid_and_the_same_every_time(name: str) -> None:
    text = svg(load(name).graph)
    root = ET.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    kinds = {element.tag.split("}")[1] for element in root.iter()}
    assert kinds <= {"svg", "g", "rect", "path", "circle", "text", "tspan", "title", "style"}
    assert "href" not in text and "@import" not in text and "url(" not in text
    assert text == svg(load(name).graph)


def test_a_resnet_unit_looks_like_the_papers() -> None:
    """Main branch on one axis, the skip as one line beside it that enters the sum from the side."""
    found = picture(load("resnet18").graph)
    unit = next(s for s in found.shapes if s.kind == "block" and s.count == 2)
    assert [s.kind for s in unit.children] == ["card", "card", "join", "card"]
    assert len({round(s.item.x, 3) for s in unit.children}) == 1
    (skip,) = [line for line in unit.lines if line.tail is None and line.head is unit.children[2]]
    assert skip.edge.lane and skip.edge.side
    assert unit.title == "basic"


def test_inception_stands_side_by_side() -> None:
    found = picture(load("googlenet").graph)
    block = next(s for s in found.shapes if s.title == "inception")
    first = [line.head for line in block.lines if line.tail is None]
    assert len(first) == 4
    assert len({s.item.y for s in first if s}) == 1
    bar = next(s for s in block.children if s.kind == "bar")
    into: list[Line] = [line for line in block.lines if line.head is bar]
    assert all(len({round(x, 3) for x, _ in line.points}) == 1 for line in into)  # straight down


def test_heads_stand_aside() -> None:
    found = picture(load("googlenet").graph)
    heads = [s for s in found.shapes if s.head]
    assert [s.title for s in heads] == ["aux1", "aux2"]
    for line in (line for line in found.lines if line.dashed):
        assert line.tail is not None
        assert line.head is not None
        assert line.head.x > line.tail.x + line.tail.width
    tall = picture(load("googlenet").graph, columns=1)
    main = max(s.x + s.width for s in tall.shapes if s.title == "inception")
    assert all(s.x > main for s in tall.shapes if s.head)
    for each in (found, tall):
        assert sum(line.dashed for line in each.lines) == 2


@pytest.mark.parametrize("name", MODELS)
def test_a_slide_holds_it(name: str) -> None:
    """On a page of 1600 by 900 points the smallest text, of 8 points, keeps more than half its size."""
    found = picture(load(name).graph)
    assert min(1600 / found.width, 900 / found.height) > 0.55
    assert found.height <= 700 or 1.1 < found.width / found.height < 1.9


def test_columns_are_cut_where_one_value_flows_on() -> None:
    graph = load("resnet18").graph
    tall, four = picture(graph, columns=1), picture(graph, columns=4)
    assert tall.height > 2000 > four.height
    assert len(picture(graph, columns=100).shapes) == len(tall.shapes)  # as many as there are places to cut
    stages = [s for s in four.shapes if s.title.startswith("stage")]
    assert len({s.x for s in stages}) > 2
    turned = [line for line in four.lines if len(line.points) == 6 and line.tail in stages]
    assert len(turned) == 3
    assert all(line.points[2][1] > line.points[3][1] for line in turned)  # up the gutter


def test_levels_of_an_hourglass_are_rows() -> None:
    """Down on the left, up on the right, and each skip with its step level between; no box for the recursion."""
    found = picture(load("hourglass").graph)
    assert not [s for s in found.shapes if s.kind in ("block", "folded")]
    bars = [s for s in found.shapes if s.kind == "bar"]
    assert len(bars) == 5
    assert len({round(s.x, 3) for s in bars}) == 1
    for bar in bars:
        (skip,) = [line.tail for line in found.lines if line.head is bar and line.points[0][1] == line.points[-1][1]]
        assert skip is not None
        assert skip.stripes[0].text == "1×1 conv, 4"
        assert skip.y + skip.height / 2 == pytest.approx(bar.y + bar.height / 2)
    assert [round(b.y) for b in bars] == sorted((round(b.y) for b in bars), reverse=True)  # written from the inside out


def test_pads_are_told_where_they_matter() -> None:
    def pads(name: str) -> list[str]:
        stripes = [stripe for s in picture(load(name).graph).shapes for stripe in s.stripes if "pad" in stripe.caption]
        return [f"{stripe.text}: {stripe.caption.rpartition('pad')[2].strip()}" for stripe in stripes]

    assert pads("lenet5") == ["5×5 conv, 6: 2"]  # the other convolution takes from the size
    assert pads("vgg16") == []  # all keep it
    assert pads("resnet18")[:2] == ["7×7 conv, 64, /2: 3", "3×3 max_pool, /2: 1"]


def test_blocks_of_growing_size_are_one_box() -> None:
    found = picture(load("densenet121").graph)
    assert [s.count for s in found.shapes if s.unequal] == [5, 11, 23, 15]
    assert sum(s.kind == "block" and s.title == "dense_layer" for s in found.shapes) == 4


def test_names_are_escaped() -> None:
    g = Graph('<script>"&')
    x = g.input("im<age>", (4, 4, 1)).conv(2, (1, 1), name="first").relu()
    g.output(x, "\x00\x1b]]>")
    text = svg(parse_graph(to_text(g).replace('"first', '"a</text><script>&amp;')))
    root = ET.fromstring(text)
    assert "script" not in {e.tag.split("}")[1] for e in root.iter()}
    assert "\x00" not in text and "\x1b" not in text
    assert "<script" not in text


def test_depth() -> None:
    graph = load("resnet18").graph
    kinds = Counter(s.kind for s in picture(graph, 0).shapes)
    assert kinds["folded"] == 4 and kinds["block"] == 0
    assert Counter(s.kind for s in picture(graph, 1).shapes)["block"] == 4


def chain(n: int) -> Graph:
    g = Graph("chain")
    x = g.input("image", (8, 8, 2))
    for k in range(n // 3):
        y = x.conv(2 + k % 7, (1, 1)).relu()
        x = y if k % 5 else y.concat(x)
        x = x.conv(2, (1, 1))
    g.output(x)
    return g


def test_ten_thousand_nodes_are_bounded() -> None:
    g = chain(10_000)
    found = picture(g)
    assert len(found.shapes) < 500
    assert "stretches" in found.notes[0]
    assert len(svg(g)) < 400_000


def test_titles_leave_out_ops_that_are_seen_within() -> None:
    from cnndsl.view.words import without_ops

    assert without_ops("filters = 8, norm = batch_norm, act = relu, stride = 2") == "filters = 8, stride = 2"
    assert without_ops("norm = batch_norm(momentum = 0.9), act = tanh") == ""
    assert without_ops("filters = 8, option = A, norm = identity") == "filters = 8, option = A"
