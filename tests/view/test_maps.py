"""Maps, fields and the confusion matrix: the numbers behind the pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import cnndsl
from cnndsl.errors import CnnError
from cnndsl.passes.specialise import bind_sizes
from cnndsl.view.confusion import confusion_picture, percent, shares
from cnndsl.view.field import field_picture, fields
from cnndsl.view.layers import layer_named, telling_layers
from cnndsl.view.maps import activations, activations_picture, scale_of, visible
from tests.tolerances import NETWORK, distance

NET = """
model net {
    input image: 12x12x3
    conv(4, 3x3, pad = 1, bias = false) -> batch_norm -> relu
    max_pool(2x2)
    conv(8, 3x3) as second
    relu
    flatten
    dense(3)
    softmax
}
"""


@pytest.fixture(scope="module")
def net() -> cnndsl.Model:
    return cnndsl.load_text(NET)


def test_maps_are_what_the_reference_computes(net: cnndsl.Model) -> None:
    weights = net.initial_weights(seed=3)
    rng = np.random.default_rng(0)
    weights |= {n: rng.uniform(0.5, 2, w.shape).astype(np.float32) for n, w in weights.items() if "batch_norm" in n}
    image = rng.random((12, 12, 3), np.float32)
    found = activations(net.graph, weights, image, ["batch_norm", "relu", "second"])
    assert [(name, x.shape) for name, x in found.items()] == [
        ("batch_norm", (12, 12, 4)), ("relu", (12, 12, 4)), ("second", (4, 4, 8)),
    ]  # fmt: skip
    assert np.array_equal(found["relu"], np.maximum(found["batch_norm"], 0)) and found["batch_norm"].min() < 0
    second = cnndsl.compile(net, weights, target="reference", outputs=["second"])(image[None])
    assert distance(found["second"], np.asarray(second)[0]) <= NETWORK


def test_without_names_norms_and_activations_are_through(net: cnndsl.Model) -> None:
    assert [x.node.path for x in telling_layers(net.graph)] == ["relu", "max_pool", "relu2"]
    assert len(telling_layers(cnndsl.load("vgg16").graph)) == 8


def test_what_stands_within_branches_tells_less() -> None:
    graph = cnndsl.load("googlenet").graph
    every = [x.node.path for x in telling_layers(graph, 1000)]
    assert len(every) > 10 and not [x for x in every if x.startswith("inception") and not x.endswith("concat")]


def test_of_a_u_its_depth_is_shown() -> None:
    graph = bind_sizes(cnndsl.load("hourglass").graph, {"H": 64, "W": 64})
    assert min(int(x.type.space[0]) for x in telling_layers(graph, 1000)) == 2


def test_named_layers_tell_most() -> None:
    graph = cnndsl.load("resnet18").graph
    assert telling_layers(graph) == [graph.names[x] for x in ("stem", "stage1", "stage2", "stage3", "stage4")]
    assert telling_layers(graph, 3) == [graph.names[x] for x in ("stem", "stage2", "stage4")]


def test_a_block_is_what_it_gives() -> None:
    graph = cnndsl.load("resnet18").graph
    assert layer_named(graph, "stage2.unit").node.path == "stage2.unit.relu"
    assert layer_named(graph, "stage2") is graph.names["stage2"]


def test_a_scale_has_its_zero() -> None:
    assert scale_of(np.array([0.0, 2.0])) == (0.0, 2.0)
    assert scale_of(np.array([-3.0, 2.0])) == (-3.0, 3.0)
    assert scale_of(np.zeros(3)) == (0.0, 1.0)


def test_a_normalized_picture_is_visible() -> None:
    x = visible(np.array([[[-2.0, 0.0, 2.0]]]))
    assert x.tolist() == [[[0.0, 0.5, 1.0]]]
    assert visible(np.array([[[0.25]]])).tolist() == [[0.25]]


def test_the_field_of_a_middle_value_is_where_its_gradient_is(net: cnndsl.Model) -> None:
    """Of random weights every pixel within the field changes the value, and none outside does."""
    (found,) = fields(net.graph, ["second"])
    assert (found.height, found.width, found.place, found.size) == (8, 8, (2, 2), (4, 4, 8))
    weights = net.initial_weights(seed=1)
    run = cnndsl.compile(net, weights, outputs=["second"], batch=144)
    rng = np.random.default_rng(1)
    image = rng.random((12, 12, 3)).astype(np.float32)
    changed = np.repeat(image[None], 144, axis=0)
    for k in range(144):
        changed[k, k // 12, k % 12] += 50
    before, after = np.asarray(run(image[None]))[0, 2, 2], np.asarray(run(changed))[:, 2, 2]
    felt = (np.abs(after - before).max(axis=1) > 1e-3).reshape(12, 12)
    rows, columns = np.flatnonzero(felt.any(axis=1)), np.flatnonzero(felt.any(axis=0))
    assert (rows[0], rows[-1]) == (found.top, found.top + found.height - 1)
    assert (columns[0], columns[-1]) == (found.left, found.left + found.width - 1)


def test_what_ends_the_axes_sees_all(net: cnndsl.Model) -> None:
    (found,) = fields(net.graph, ["dense"])
    assert (found.top, found.left, found.height, found.width, found.place) == (0, 0, 12, 12, None)


def test_too_many_layers(net: cnndsl.Model) -> None:
    graph = cnndsl.load("resnet18").graph
    names = [n.path for n in graph.nodes if n.op.name == "conv"]
    with pytest.raises(CnnError, match="too many"):
        fields(graph, names)


def test_shares_are_of_rows() -> None:
    found = shares(np.array([[3, 1, 0], [0, 0, 0], [0, 2, 2]]))
    assert found.tolist() == [[0.75, 0.25, 0], [0, 0, 0], [0, 0.5, 0.5]]


def test_not_all_is_not_100() -> None:
    assert [percent(x) for x in (0.99999, 1.0, 0.5)] == ["99.9 %", "100.0 %", "50.0 %"]


def test_pictures_are_written(net: cnndsl.Model, tmp_path: Path) -> None:
    image = np.random.default_rng(0).random((12, 12, 3), np.float32)
    activations_picture(image, activations(net.graph, net.initial_weights(), image), tmp_path / "a.png")
    field_picture((12, 12, 3), image, fields(net.graph), tmp_path / "b.svg")
    confusion_picture(np.eye(30, dtype=int), [f"class {k}" for k in range(30)], tmp_path / "c.png")
    confusion_picture(np.eye(100, dtype=int), list(map(str, range(100))), tmp_path / "d.png")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.svg", "c.png", "d.png"]
