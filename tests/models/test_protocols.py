"""Evaluations as published against a direct computation: views cut with Pillow here, probabilities averaged by hand.

Day by day on small networks and pictures; `pytest -m campaign` at the published sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnndsl.language.load import load
from cnndsl.runtime.compile import compile
from cnndsl.training.evaluate import evaluate, scored
from cnndsl.training.running import Running
from tests.models.reduced import pictures, reduced
from tests.tolerances import NETWORK, distance

Array = Any
Picture = Image.Image


def shorter(x: Picture, n: int) -> Picture:
    """The shorter side becomes n."""
    w, h = x.size
    return x.resize((n, h * n // w) if w <= h else (w * n // h, n), Image.Resampling.BILINEAR)


def corners(x: Picture, n: int) -> list[Picture]:
    w, h = x.size
    middle = ((w - n) // 2, (h - n) // 2)
    return [x.crop((i, j, i + n, j + n)) for i, j in [(0, 0), (w - n, 0), (0, h - n), (w - n, h - n), middle]]


def mirror(x: Picture) -> Picture:
    return x.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def ten(x: Picture, sizes: list[int], n: int) -> Iterator[Picture]:
    """Krizhevsky et al. 2012, section 4.1: corners and centre, and their reflections. He et al. 2015: of several sizes."""
    for size in sizes:
        for part in corners(shorter(x, size), n):
            yield from (part, mirror(part))


def szegedy(x: Picture, sizes: list[int], n: int) -> Iterator[Picture]:
    """Szegedy et al. 2014, section 7: sizes × three squares × (corners, centre, the square resized) × reflections."""
    for size in sizes:
        whole = shorter(x, size)
        w, h = whole.size
        side = min(w, h)
        for i, j in [(0, 0), ((w - side) // 2, (h - side) // 2), (w - side, h - side)]:
            square = whole.crop((i, j, i + side, j + side))
            for part in (*corners(square, n), square.resize((n, n), Image.Resampling.BILINEAR)):
                yield from (part, mirror(part))


def centre(x: Picture, sizes: list[int], n: int) -> Iterator[Picture]:
    for size in sizes:
        yield corners(shorter(x, size), n)[4]


def mirrored_wholes(x: Picture, sizes: list[int], n: int) -> Iterator[Picture]:
    """Simonyan, Zisserman 2014, section 3.2: the whole picture at several sizes, and mirrored."""
    for size in sizes:
        yield from (shorter(x, size), mirror(shorter(x, size)))


def prepared(x: Picture, colours: tuple[Any, Any]) -> Array:
    mean, std = (np.asarray(c, np.float32) for c in colours)
    return ((np.asarray(x, np.float32) / 255 - mean) / std).astype(np.float32)


def softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


PUBLISHED = {"alexnet": 227, "inception_v2": 299, "inception_v3": 299}
"""The side of pictures where it is not 224."""
IMAGENET = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
GREY = 0.5, 0.5
VIEWS = Callable[[Picture, list[int], int], Iterator[Picture]]
PROTOCOLS: dict[tuple[str, str], tuple[VIEWS, list[int], Any, int]] = {
    ("alexnet", "ten_crop"): (ten, [256], IMAGENET, 10),
    ("googlenet", "crops_144"): (szegedy, [256, 288, 320, 352], IMAGENET, 144),
    ("resnet18", "ten_crop"): (ten, [224, 256, 384, 480, 640], IMAGENET, 50),
    ("densenet121", "single_crop"): (centre, [256], IMAGENET, 1),
    ("bn_inception", "crops_144"): (szegedy, [256, 288, 320, 352], GREY, 144),
    ("inception_v2", "single_crop"): (centre, [342], GREY, 1),
    ("inception_v3", "crops_144"): (szegedy, [342, 384, 427, 469], GREY, 144),
}
"""(model, its evaluation) → the views, the published sizes, mean and deviation, how many views."""
SMALL: dict[tuple[str, str], tuple[str, int, dict[str, Any]]] = {
    ("alexnet", "ten_crop"): ("alexnet", 67, {}),
    ("googlenet", "crops_144"): ("googlenet", 65, {}),
    ("resnet18", "ten_crop"): ("resnet18", 32, {"unit": "basic", "depths": [1, 1, 1, 1]}),
    ("densenet121", "single_crop"): ("densenet", 32, {"depths": [1, 1, 1, 1]}),
}
"""The model or template, the side of its pictures, its arguments."""


def spread(net: Any, images: Array) -> dict[str, Array]:
    """Initial weights whose logits on these pictures differ by about two, so that probabilities are far from equal."""
    weights = {name: np.array(x) for name, x in net.initial_weights(3).items()}
    logits = np.asarray(compile(net, weights, batch=len(images), outputs=("logits",), threads=1)(images)[-1])
    last = net.graph.names["logits"].node
    for operand in last.operands[1:]:
        weights[operand.node.attrs.name] *= np.float32(2 / logits.std())
    return weights


def compared(net: Any, name: str, views: list[list[Picture]], colours: Any, data: Any) -> None:
    stacks = [np.stack([prepared(v, colours) for v in each]) for each in views]
    weights = spread(net, np.concatenate([x[:4] for x in stacks]))
    run = compile(net, weights, batch=8, threads=1)
    wanted = np.stack([np.asarray(run(x), np.float64).mean(axis=0) for x in stacks])
    judge(net, name, weights, wanted, data)


def judge(net: Any, name: str, weights: Any, wanted: Array, data: Any) -> None:
    labels = data.train.labels
    found = scored(net, weights, data, Running(threads=1), recipe=name)
    p = np.stack([piece.scores[0] for piece in found.pieces])
    assert distance(p, wanted) <= NETWORK
    assert wanted.max() > 1.2 / wanted.shape[1]  # they are not all alike, or the comparison would say nothing
    told = evaluate(net, weights, data, recipe=name, threads=1)
    assert told.count == len(labels)
    assert told.accuracy == (wanted.argmax(axis=1) == labels).mean()
    assert told.loss == pytest.approx(-np.log(wanted[np.arange(len(labels)), labels]).mean(), rel=1e-4)


def drawn(data: Any) -> list[Picture]:
    return [Image.fromarray(x) for x in data.train.images]


def judged(net: Any, model: str, name: str, count: int) -> None:
    make, sizes, colours, many = PROTOCOLS[model, name]
    side, data = net.graph.inputs["image"].type.shape[1], pictures(net, count)
    sizes = [round(n * side / PUBLISHED.get(model, 224)) for n in sizes]
    views = [list(make(x, sizes, side)) for x in drawn(data)]
    assert [len(x) for x in views] == [many] * count
    compared(net, name, views, colours, data)


@pytest.mark.parametrize(("model", "name"), SMALL)
def test_small(model: str, name: str) -> None:
    template, side, arguments = SMALL[model, name]
    judged(reduced(template, side, classes=5, **arguments), model, name, 2)


@pytest.mark.campaign
@pytest.mark.parametrize(("model", "name"), PROTOCOLS)
def test_as_published(model: str, name: str) -> None:
    judged(load(model), model, name, 1)


def on_whole(weights: Any, depths: list[int], x: Array) -> Array:
    """VGG on a picture of any size, (H, W, 3) → logits (classes,): its dense layers at every place of the last map, where
    they fit; the map of logits averaged. By matrix products over shifted pictures, in float64.
    """
    names = [n.removesuffix("weight") for n in weights if n.endswith("weight")]
    pairs = [(weights[f"{n}weight"].astype(np.float64), weights[f"{n}bias"]) for n in names]
    layers = iter([(w, b) for w, b in pairs if w.ndim == 4])
    for depth in depths:
        for _ in range(depth):
            w, b = next(layers)
            around = np.pad(x, ((1, 1), (1, 1), (0, 0)))
            h, v = x.shape[:2]
            x = np.maximum(sum(around[i : i + h, j : j + v] @ w[i, j] for i in range(3) for j in range(3)) + b, 0)
        h, v = x.shape[0] // 2, x.shape[1] // 2
        x = x[: 2 * h, : 2 * v].reshape(h, 2, v, 2, -1).max(axis=(1, 3))
    (one, b1), (two, b2), (three, b3) = [(w, b) for w, b in pairs if w.ndim == 2]
    side = round((one.shape[0] / x.shape[2]) ** 0.5)
    places = [(i, j) for i in range(x.shape[0] - side + 1) for j in range(x.shape[1] - side + 1)]
    rows = np.stack([x[i : i + side, j : j + side].reshape(-1) for i, j in places])
    return (np.maximum(np.maximum(rows @ one + b1, 0) @ two + b2, 0) @ three + b3).mean(axis=0)


def dense_evaluation(side: int, depths: list[int], count: int, net: Any) -> None:
    data = pictures(net, count)
    weights = spread(
        net, np.stack([prepared(centre_of, IMAGENET) for x in drawn(data) for centre_of in centre(x, [side], side)])
    )
    wanted = []
    for x in drawn(data):
        views = list(mirrored_wholes(x, [round(n * side / 224) for n in (256, 384, 512)], side))
        assert len(views) == 6
        logits = np.stack([on_whole(weights, depths, prepared(v, IMAGENET).astype(np.float64)) for v in views])
        wanted.append(softmax(logits).mean(axis=0))
    judge(net, "multi_scale", weights, np.stack(wanted), data)


def test_dense_evaluation_of_vgg() -> None:
    depths = [1, 1, 1, 1, 2]
    dense_evaluation(64, depths, 1, reduced("vgg", 64, depths=depths, classes=5))


@pytest.mark.campaign
def test_dense_evaluation_of_vgg_as_published() -> None:
    dense_evaluation(224, [1, 1, 2, 2, 2], 1, load("vgg11"))
