"""Views of an evaluation: how many, which pixels, and that their average is what a direct computation gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cnndsl.data import views
from cnndsl.data.records import Dataset, Part
from cnndsl.errors import CnnError
from cnndsl.language.load import bundled_models, load, load_text
from cnndsl.passes.fully_convolutional import fully_convolutional
from cnndsl.runtime.compile import compile
from cnndsl.training.evaluate import evaluate

TEXT = """
model m {
    input image: 16x16x3
    conv(6, 3x3) -> relu -> max_pool(2x2)
    flatten -> dense(12) -> relu -> dropout(0.5)
    dense(5) as logits
    softmax
}
train { loss = cross_entropy(logits) }
preprocess { images = resize(16x16) -> normalize(mean = 0.5, std = 0.25) }
EVAL
"""
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (7, 30, 41, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 3, 4, 0, 1], np.int32)
DATA = Dataset("noise", tuple("abcde"), Part(IMAGES, LABELS), Part(IMAGES, LABELS))


def model(recipe: str) -> Any:
    return load_text(TEXT.replace("EVAL", recipe))


def made(recipe: str, picture: np.ndarray) -> list[np.ndarray]:
    net = model(f"eval {{ views = {recipe} }}")
    return views.bind(net.evals[""].entries["views"], net.preprocess).of(picture)


@pytest.mark.parametrize(
    ("recipe", "count"),
    [
        ("resize(20) -> center_crop(16)", 1), ("resize(20) -> ten_crop(16)", 10), ("flip", 2),
        ("resize([16, 18, 20, 24]) -> squares -> six_crop(16) -> flip", 144),
        ("resize([16, 18, 20, 22, 24]) -> ten_crop(16)", 50), ("resize([16, 24, 32]) -> fully_convolutional -> flip", 6),
    ],
)  # fmt: skip
def test_how_many(recipe: str, count: int) -> None:
    found = made(recipe, IMAGES[0])
    net = model(f"eval {{ views = {recipe} }}")
    assert len(found) == count == views.bind(net.evals[""].entries["views"], net.preprocess).count
    assert all(x.dtype == np.float32 for x in found)
    if "fully" not in recipe:
        assert {x.shape for x in found} == {(16, 16, 3)}


@pytest.mark.parametrize(
    "name", [n for n in bundled_models() if n in ("alexnet", "vgg16", "googlenet", "resnet18", "inception_v3")]
)
def test_the_published_protocols(name: str) -> None:
    """Krizhevsky 2012: 10; Simonyan 2015: 3 sizes and mirror images; Szegedy 2015: 144; He 2016: 10 crops of 5 sizes."""
    net = load(name)
    counts = {
        key: len(views.bind(e.entries["views"], net.preprocess).of(IMAGES[0]))
        for key, e in net.evals.items()
        if "views" in e.entries
    }
    assert counts == {
        k: views.bind(e.entries["views"], net.preprocess).count for k, e in net.evals.items() if "views" in e.entries
    }
    wanted = {
        "alexnet": {"ten_crop": 10}, "vgg16": {"multi_scale": 6}, "googlenet": {"crops_144": 144}, "resnet18": {"ten_crop": 50},
        "inception_v3": {"single_crop": 1, "crops_144": 144},
    }  # fmt: skip
    assert counts == wanted[name]


def test_which_pixels() -> None:
    x = (np.arange(6 * 8, dtype=np.float32).reshape(6, 8, 1) / 48).repeat(3, axis=2)
    ten = [np.asarray(v)[0] for v in views.ten_crop(4)(x[None])]
    for k, (top, left) in enumerate([(0, 0), (0, 4), (2, 0), (2, 4), (1, 2)]):
        part = x[top : top + 4, left : left + 4]
        np.testing.assert_array_equal(ten[2 * k], part)
        np.testing.assert_array_equal(ten[2 * k + 1], part[:, ::-1])
    assert [np.asarray(s)[0, 0, 0, 0] * 48 for s in views.squares()(x[None])] == [0, 1, 2]
    six = [np.asarray(v)[0] for v in views.six_crop(4)(x[None])]
    np.testing.assert_array_equal(six[:5], ten[::2])
    assert six[5].shape == (4, 4, 3)


def probabilities(net: Any, weights: Any, images: np.ndarray) -> np.ndarray:
    return np.asarray(compile(net, weights, batch=4)(images), np.float64)


def test_the_average_over_views_is_a_direct_computation() -> None:
    net = model(
        "eval ten { views = resize(20) -> ten_crop(16); metrics = [accuracy, top(2)]; reduce = REDUCE }".replace(
            "REDUCE", "mean"
        )
    )
    weights = net.initial_weights(seed=1)
    found = evaluate(net, weights, DATA, recipe="ten", batch=4)
    own = views.bind(net.evals["ten"].entries["views"], net.preprocess)
    p = np.stack([probabilities(net, weights, np.stack(own.of(x))).mean(axis=0) for x in IMAGES])
    assert found.accuracy == (p.argmax(axis=1) == LABELS).mean()
    assert found.loss == pytest.approx(-np.log(p[np.arange(7), LABELS]).mean(), rel=1e-5)
    order = (-p).argsort(axis=1)[:, :2]
    assert found.top == {2: (order == LABELS[:, None]).any(axis=1).mean()}
    assert found.count == found.confusion.sum() == 7


def test_views_without_sizes_come_after_preprocess() -> None:
    net = model("eval { views = flip }")
    weights = net.initial_weights(seed=1)
    found = evaluate(net, weights, DATA)
    own = views.bind((), net.preprocess)
    x = np.stack([own.of(x)[0] for x in IMAGES])
    p = (probabilities(net, weights, x) + probabilities(net, weights, np.ascontiguousarray(x[:, :, ::-1]))) / 2
    assert found.loss == pytest.approx(-np.log(p[np.arange(7), LABELS]).mean(), rel=1e-5)


def test_whole_pictures_are_windows_averaged() -> None:
    """A map of logits holds what the network gives for each window; every second, since it pools by 2."""
    net = model("")
    weights = net.initial_weights(seed=1)
    x = RNG.normal(size=(2, 20, 24, 3)).astype(np.float32)
    run = compile(fully_convolutional(net.graph, 20, 24), weights, batch=2, outputs=("logits",))
    one = compile(net, weights, batch=2, outputs=("logits",))
    windows = [np.asarray(one(np.ascontiguousarray(x[:, i : i + 16, j : j + 16]))) for i in (0, 2, 4) for j in (0, 2, 4, 6, 8)]
    np.testing.assert_allclose(np.asarray(run(x)), np.mean(windows, axis=0), rtol=1e-4, atol=1e-5)
    p = np.asarray(compile(fully_convolutional(net.graph, 20, 24), weights, batch=2)(x))
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)


def test_whole_pictures_of_several_sizes_are_evaluated() -> None:
    net = model("eval { views = resize([16, 24]) -> fully_convolutional -> flip }")
    found = evaluate(net, net.initial_weights(seed=1), DATA)
    assert found.count == 7
    same = model("eval { views = resize(16x16) -> fully_convolutional }")
    plain = model("eval { batch = 4 }")
    weights = net.initial_weights(seed=1)
    assert evaluate(same, weights, DATA).loss == pytest.approx(evaluate(plain, weights, DATA).loss, rel=1e-5)


def test_vgg_and_a_network_with_global_pooling_run_on_whole_pictures() -> None:
    for name in ("vgg11", "resnet18", "googlenet"):
        graph = fully_convolutional(load(name).graph, 256, 288)
        assert graph.outputs["output"].type.shape[1:] == (1000,)


@pytest.mark.parametrize(
    ("recipe", "code", "place"),
    [
        ("resize(12) -> ten_crop(16)", "E422", "ten_crop(16)"), ("resize(12x18)", "E422", "resize(12x18)"),
        ("squares -> center_crop(31) -> resize(16)", "E706", "center_crop(31)"), ("resize(16) -> flip", "E706", ""),
    ],
)  # fmt: skip
def test_views_that_do_not_fit_are_refused(recipe: str, code: str, place: str) -> None:
    def judged() -> None:
        net = model(f"eval {{ views = {recipe} }}")
        evaluate(net, net.initial_weights(seed=1), DATA)

    with pytest.raises(CnnError) as e:
        judged()
    (said,) = e.value.diagnostics
    assert said.code == code
    assert (said.span.source.text[said.span.start : said.span.end] if said.span else "") == place
    assert "image 0: " in said.message or said.span is not None
