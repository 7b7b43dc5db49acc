"""to_cnn: the text of a graph parses to that graph again, whatever the graph; what it says of small ones; what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

import cnndsl
from cnndsl.errors import CnnError
from cnndsl.graph.equality import difference
from cnndsl.graph.graph import Graph
from cnndsl.graph.op import REGISTRY
from cnndsl.language.load import bundled_models, load, load_text
from cnndsl.passes.context import Context, Log, Options
from cnndsl.passes.specialise import specialise
from tests.language.generated_graphs import every_word, generated

EVERYDAY = 400
TEMPLATES: dict[str, dict[str, Any]] = {
    "densenet": {"depths": [2, 3, 1, 2]},
    "four_layers": {"act": "tanh"},
    "resnet": {"unit": "basic", "depths": [1, 2, 1, 1]},
    "resnet_cifar": {"n": 2},
    "tower": {"n": 1, "norm": "layer_norm", "unit": "residual"},
    "vgg": {"depths": [1, 1, 2, 2, 2]},
}


def apart(g: Graph) -> str:
    """In what the graph of its text differs from `g`, with the text; empty where in nothing."""
    text = g.to_cnn()
    try:
        back = load_text(text).graph
    except CnnError as e:
        return f"{e}\n{text}"
    found = difference(g, back)
    for what in ("inputs", "heads", "outputs"):
        orders = [[name for name in getattr(x, what) if name != "output"] for x in (g, back)]
        if not found and orders[0] != orders[1]:
            found = f"the order of {what}: {orders}"
    return f"{found}\n{text}" if found else ""


def report(seeds: Iterable[int]) -> str:
    """All that is wrong with these graphs. The one thing that may keep one from being written is a name like `same`."""
    told, hidden, count = [], 0, 0
    for count, seed in enumerate(seeds, 1):  # noqa: B007  (the last is read below)
        try:
            found = apart(generated(seed))
        except CnnError as e:
            hidden += "hides a word" in str(e)
            found = "" if "hides a word" in str(e) else str(e)
        if found:
            told.append(f"graph {seed}: {found}")
    if hidden > 1 + count // 200:
        told.append(f"{hidden} of {count} graphs are not written")
    return "\n".join(told)


# Whole networks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(bundled_models()))
def test_bundled_models(name: str) -> None:
    model = load(name, **TEMPLATES.get(name, {}))
    assert not apart(model.graph)
    text = model.to_cnn()
    back = load_text(text)
    for what in ("trains", "evals", "tasks", "preprocess"):
        assert getattr(back, what) == getattr(model, what)
    assert back.graph.name == model.name
    assert back.to_cnn() == text


def test_generated_graphs() -> None:
    """Four hundred in the everyday suite."""
    found = report(range(EVERYDAY))
    assert not found, found


@pytest.mark.campaign
@pytest.mark.parametrize("first", range(EVERYDAY, EVERYDAY + 10_000, 500))
def test_ten_thousand_generated_graphs(first: int) -> None:
    found = report(range(first, first + 500))
    assert not found, found


def test_what_is_generated() -> None:
    """The graphs of the everyday suite have every op, heads, names, weights that are shared, several inputs and outputs."""
    graphs = [generated(seed) for seed in range(EVERYDAY)]
    met = {n.op.name for g in graphs for n in g.nodes}
    assert {w for w in every_word() if REGISTRY[w].becomes is None} <= met
    assert {"group_norm", "crop", "resample"} <= met  # what the other words stand for
    for what in ("inputs", "outputs"):
        assert sum(len(getattr(g, what)) > 1 for g in graphs) > EVERYDAY // 10
    assert sum(bool(g.heads) for g in graphs) > EVERYDAY // 10
    assert sum(bool(g.names) for g in graphs) > EVERYDAY // 4
    uses = [[x.node.attrs.name for n in g.nodes for x in n.operands if x.node.op.name == "state"] for g in graphs]
    assert sum(len(names) > len(set(names)) for names in uses) > EVERYDAY // 20


BASE = """
model m {
    input image: 8x8x4
    input other: 8x8x4
    share both = conv(4, 3x3, pad = same) -> relu
    image -> both as a
    other -> both as b
    head side { global_avg_pool -> dense(3) }
    subtract { a; b }
    { batch_norm -> tanh } as stem
    conv(4, 1x1) as logits
    output a
}
"""
CHANGES = [
    ("-> tanh", "-> sigmoid"), ("3x3", "1x3"), ("pad = same)", "pad = 1)"), ("a; b", "b; a"), ("head side", "head aux"),
    ("as stem", "as stem2"), ("as logits", "as scores"), ("    output a\n", ""), ("output a", "output b"),
    ("conv(4, 1x1)", "conv(4, 1x1, init = zeros)"), ("conv(4, 1x1)", "conv(4, 1x1, bias = false)"),
    ("other -> both as b", "other -> conv(4, 3x3, pad = same) -> relu as b"), (": 8x8x4", ": 8x9x4"),
    ("both", "tower"), ("batch_norm", "batch_norm(momentum = 0.9)"), ("dense(3)", "dense(3) -> identity"),
    ("input other: 8x8x4\n", "input other: 8x8x4\n    input third: 8x8x4\n"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_the_comparison_sees_a_change(old: str, new: str) -> None:
    assert old in BASE
    g = load_text(BASE).graph
    assert difference(g, load_text(BASE).graph) == ""
    assert difference(g, load_text(BASE.replace(old, new)).graph)


# Texts -------------------------------------------------------------------------------------------------------------------


def residual() -> Graph:
    @cnndsl.block
    def conv_bn(x: Any, filters: int) -> Any:
        return x.conv(filters, (3, 3), pad="same", bias=False).batch_norm()

    @cnndsl.block
    def unit(x: Any) -> Any:
        g = x.node.graph
        with g.branch("main"):
            y = conv_bn(conv_bn(x, x.channels).relu(), x.channels)
        with g.branch("skip"):
            skip = x.identity()
        return y.add(skip).relu()

    g = Graph("residual")
    x = g.input("image", (8, 8, 3)).conv(16, (3, 3), pad="same")
    x = unit(unit(x))
    g.output(x.global_avg_pool().dense(10, name="logits").softmax())
    return g


def test_a_residual_network() -> None:
    assert (
        residual().to_cnn()
        == """\
block unit {
    add {
        main: {
            conv(16, 3x3, pad = same, bias = false) -> batch_norm as conv_bn -> relu
            conv(16, 3x3, pad = same, bias = false) -> batch_norm as conv_bn2
        }
        skip: identity
    } -> relu
}

model residual {
    input image: 8x8x3

    conv(16, 3x3, pad = same) -> unit * 2 : 8x8x16
    global_avg_pool                       : 16
    dense(10) as logits -> softmax        : 10
}
"""
    )


def pair() -> Graph:
    g = Graph("pair")
    left, right = g.input("left", (8, 8, 1)), g.input("right", (8, 8, 1))
    tower = g.share("tower", lambda x: x.conv(4, (3, 3)).relu())
    a, b = tower(left), tower(right)
    a.head("side", lambda x: x.global_avg_pool().dense(3))
    g.output(a, "left_features")
    g.output(a.subtract(b).flatten().dense(2).named("logits"))
    return g


def test_shared_steps_heads_and_names() -> None:
    """A name that begins with `_` is for the text alone: no weight and no output is called by it."""
    assert (
        pair().to_cnn()
        == """\
model pair {
    input left: 8x8x1
    input right: 8x8x1

    share tower = conv(4, 3x3) -> relu
    left -> tower as left_features     : 6x6x4
    right -> tower as _tower
    head side {
        left_features -> global_avg_pool
        dense(3)
    }
    subtract { left_features; _tower }
    flatten                            : 144
    dense(2) as _dense                 : 2
    _dense as logits
    output left_features
}
"""
    )
    assert not apart(pair())


def test_heads_keep_their_order() -> None:
    """Whatever stands between them, and wherever their values were made."""
    g = Graph("two")
    x = g.input("image", (8, 8, 2)).conv(2, (1, 1))
    y = x.tanh()
    y.head("late", lambda v: v)
    x.head("early", lambda v: v)
    g.output(y.relu())
    assert list(g.heads) == ["late", "early"]
    assert not apart(g)


def test_a_shared_step_under_a_label_that_is_the_name_of_an_input() -> None:
    g = Graph("label")
    x = g.input("image", (8, 8, 2))
    with g.branch("image"):
        tower = g.share("tower", lambda v: v.conv(2, (1, 1)).relu())
        y = tower(tower(x))
    g.output(y)
    assert "image.tower.conv.weight" in g.state
    assert not apart(g)


def test_sizes_that_are_open() -> None:
    g = Graph("open")
    x = g.input("image", ("H", "W", 3), where={"H": 8, "W": 2})
    g.output(x.conv(3, (3, 3), stride=2, pad="same"))
    assert "    input image: HxWx3 where H % 8 == 0, W % 2 == 0\n" in g.to_cnn()
    assert not apart(g)


# Refusals ----------------------------------------------------------------------------------------------------------------


def of(make: Callable[[Any], Any], name: str = "image", **keys: Any) -> Graph:
    """What `make` makes of an image, as a graph."""
    g = Graph("net")
    g.output(make(g.input(name, (8, 8, 4), **keys)))
    return g


def without_output() -> Graph:
    g = Graph("net")
    g.input("image", (8, 8, 4)).relu()
    return g


def updated() -> Graph:
    g = of(lambda x: x.conv(4, (3, 3)))
    g.updates["conv.bias"] = g.state_values["conv.bias"]
    return g


def one_weight_twice() -> Graph:
    """Two steps that read the weights of one, and are no uses of a shared step: the second does something else first."""
    g = Graph("net")
    x = g.input("image", (8, 8, 4))
    y = x.conv(4, (3, 3), pad="same")
    weights = y.node.operands[1:]
    g.output(g.add(y.node.op, (y.relu(), *weights), y.node.attrs, y.node.origin)[0])
    return g


def weight_flows() -> Graph:
    g = of(lambda x: x.conv(4, (3, 3)))
    g.output(g.add("relu", (g.state_values["conv.weight"],))[0])
    return g


def other_beginning() -> Graph:
    g = of(lambda x: x.conv(4, (3, 3)))
    g.state["conv.bias"] = replace(g.state["conv.bias"], init="he_normal")
    return g


REFUSED: dict[str, tuple[Callable[[], Graph], str, str]] = {
    "an op of losses": (lambda: of(lambda x: x.node.graph.total_variation(x)), "E642", "no word"),
    "a bound batch": (lambda: specialise(of(lambda x: x.relu()), Context(None, Options(batch=2), Log())), "E646", "free batch"),
    "no output": (without_output, "E646", "no output"),
    "an input as output": (lambda: of(lambda x: x), "E646", "no step makes"),
    "an update": (updated, "E646", "update of conv.bias"),
    "whole numbers": (lambda: of(lambda x: x.flatten(), dtype="int32"), "E646", "int32"),
    "a name that hides a word": (lambda: of(lambda x: x.conv(4, (3, 3), pad="same"), name="same"), "E646", "hides"),
    "weights of another step": (one_weight_twice, "E646", "shared step"),
    "a weight that flows": (weight_flows, "E646", "like a value"),
    "a weight that begins otherwise": (other_beginning, "E646", "begin"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_said(what: str) -> None:
    make, code, words = REFUSED[what]
    with pytest.raises(CnnError) as e:
        make().to_cnn()
    assert e.value.diagnostics[0].code == code
    assert words in str(e.value)
