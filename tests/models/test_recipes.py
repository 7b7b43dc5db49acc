"""Every bundled network makes two steps of its own recipe: losses, weights, statistics, slots and averages after them.

Day by day one of each family on small pictures; `pytest -m campaign` takes every model as published, but for the batch.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnndsl.language.load import bundled_models, load
from cnndsl.language.recipe import RmsProp, Warmup
from cnndsl.training import checkpoint
from cnndsl.training.loop import train
from cnndsl.training.restore import restore
from cnndsl.training.step import compile_step
from tests.models.reduced import pictures, reduced
from tests.models.test_counts import COUNTS

pytestmark = pytest.mark.usefixtures("without_pictures")

FAST: dict[str, tuple[int, dict[str, Any]]] = {
    "lenet5": (28, {}), "course": (28, {}), "alexnet": (67, {"classes": 5}), "googlenet": (65, {"classes": 5}),
    "vgg": (32, {"depths": [1, 1, 1, 1, 1], "norm": True, "classes": 5}), "bn_inception": (32, {"classes": 5}),
    "resnet": (32, {"unit": "bottleneck", "depths": [1, 1, 1, 1], "classes": 5}),
    "resnet_cifar": (16, {"n": 1}), "preact": (16, {"n": 1}), "mobilenet_v2": (32, {"classes": 5}),
    "tower": (16, {"n": 1}), "four_layers": (28, {"act": "relu"}),
    "densenet": (32, {"depths": [1, 2, 1, 1], "classes": 5}),
    "se_resnet50": (32, {"unit": "se_bottleneck", "depths": [1, 1, 1, 1], "classes": 5}),
    "resnext50": (32, {"unit": "aggregated", "depths": [1, 1, 1, 1], "classes": 5}),
}  # fmt: skip
"""name → side of its pictures here, its arguments."""
WITHOUT = {"inception_naive", "inception_reduced"}
"""Blocks to look at, without a recipe."""
SLOW = {"inception_v3", "efficientnet_b0", "inception_v2", "squeezenet"}
"""No small picture suits them, or they take as long to compile as five of those above: among those as published only."""
ALONE = {"unet", "hourglass", "hourglass_no_skips"}
"""No classes of whole pictures: below, each in its own way."""


def two_steps(net: Any, folder: Path, recipe: str = "", most: float = 100) -> None:
    """Two epochs of one step on synthetic pictures; then everything that a step changes has changed, and nothing else."""
    how = net.trains[recipe].override({"batch": "2", "epochs": "2"})
    before = net.initial_weights(how.seed)
    done = train(net, how, pictures(net, 2), run_dir=folder, threads=1, workers=1)
    assert done.steps == 2
    assert len(done.history) == 2
    assert 0 < done.history[0].loss < 100
    assert 0 < done.history[1].loss < most
    warm = isinstance(how.schedule, Warmup)
    assert done.history[0].rate == pytest.approx(how.optimizer.rate / how.schedule.epochs if warm else how.optimizer.rate)
    for name, old in before.items():
        assert np.isfinite(done.weights[name]).all(), name
        assert not np.array_equal(done.weights[name], old), f"{name} has not moved"
    _, state = checkpoint.load(folder)
    assert int(state["step"]) == 2
    kept = [n for n, s in net.graph.state.items() if s.kind == "parameter"]
    slots = {"velocity"} if how.optimizer.momentum else set()
    slots |= {"mean_square"} if isinstance(how.optimizer, RmsProp) else set()
    slots |= {"average"} if how.average is not None else set()
    assert set(state) == {*before, "step", *(f"{n}.{slot}" for n in kept for slot in slots)}
    assert all(np.any(state[f"{n}.{slot}"]) for n in kept for slot in slots)
    if how.clip is not None:  # s = 0.9 · 0.1 · g₁² + 0.1 · g₂², and no g is longer than 2
        assert how.clip.name == "global_norm"
        together = sum(float(np.square(np.sqrt(state[f"{n}.mean_square"].astype(np.float64))).sum()) for n in kept)
        assert together <= (0.09 + 0.1) * 2.0**2 * (1 + 1e-5)


@pytest.mark.parametrize("name", FAST)
def test_small(name: str, tmp_path: Path) -> None:
    side, arguments = FAST[name]
    two_steps(reduced(name, side, **arguments), tmp_path / "run")


def test_recipes_of_other_names(tmp_path: Path) -> None:
    """BN-x5 and BN-x30, and the warmer beginning of the deepest ResNet for small pictures."""
    net = load("bn_inception")
    assert [net.trains[x].optimizer.rate for x in ("", "x5", "x30")] == [0.0015, 0.0075, 0.045]
    two_steps(reduced("resnet_cifar", 16, n=1), tmp_path, "deep")


@pytest.mark.campaign
@pytest.mark.parametrize("name", sorted(set(COUNTS) - WITHOUT - ALONE))
def test_as_published(name: str, tmp_path: Path) -> None:
    net = load(name)
    for recipe in net.trains:
        two_steps(net, tmp_path / f"run{recipe}", recipe, most=math.inf)  # a step on two pictures, not 256, may be a leap


def test_every_network_has_its_test() -> None:
    assert not any(load(x).trains for x in WITHOUT)
    families = {bundled_models()[x] for x in (*FAST, *WITHOUT, *ALONE, *SLOW)}
    assert families == set(bundled_models().values())


def unet_steps(net: Any, side: int) -> None:
    """A class for each pixel of the inner part: arrays are given, since data sets hold a class for each picture."""
    step = compile_step(net, batch=1, threads=1)
    rng = np.random.default_rng(0)
    inner = net.graph.names["logits"].type.shape[1:3]
    images = rng.random((1, side, side, 1)).astype(np.float32)
    labels = rng.integers(0, 2, (1, *inner)).astype(np.int32)
    losses = [step(images, labels) for _ in range(2)]
    assert all(0 < x < 10 for x in losses)
    before = net.initial_weights(0)
    assert all(not np.array_equal(step.weights[name], before[name]) for name in before)


def test_unet() -> None:
    unet_steps(reduced("unet", 188), 188)


@pytest.mark.campaign
def test_unet_as_published() -> None:
    unet_steps(load("unet"), 572)


@pytest.mark.parametrize("name", ["hourglass", pytest.param("hourglass_no_skips", marks=pytest.mark.campaign)])
def test_tasks(name: str) -> None:
    """Each task of the hourglass, narrower and less deep: two steps leave a picture of the size that is asked for."""
    rng = np.random.default_rng(0)
    picture = rng.random((32, 32, 3)).astype(np.float32)
    skips = [2] * 2 if name == "hourglass" else [0] * 2
    net = load("hourglass", down=[4] * 2, up=[4] * 2, skips=skips, depth=4)
    assert set(net.tasks) == {"denoise", "inpaint", "super_resolve"}
    for word, task in net.tasks.items():
        mask = (rng.random((32, 32, 1)) < 0.5).astype(np.float32) if word == "inpaint" else None
        done = restore(net, task.override({"steps": "2"}), picture, mask=mask, threads=1)
        assert done.picture.shape == ((128, 128, 3) if word == "super_resolve" else picture.shape)
        assert np.isfinite(done.picture).all()
        assert math.isfinite(done.course[-1].loss)


HEADS = {"googlenet": (65, (1, 0.3, 0.3), 0.0), "inception_v3": (299, (1, 0.4), 0.1), "efficientnet_b0": (32, (1,), 0.1)}
"""name → side, the weights of its cross entropies, label smoothing."""


@pytest.mark.parametrize("name", ["googlenet", *(pytest.param(x, marks=pytest.mark.campaign) for x in list(HEADS)[1:])])
def test_a_loss_is_the_weighted_sum_of_its_heads(name: str) -> None:
    """With nothing but a bias in the last layers, every loss is known, whatever dropout does before."""
    side, shares, smoothing = HEADS[name]
    net = reduced(name, side, classes=5)
    weights = net.initial_weights(0)
    labels = np.array([3, 1], np.int32)
    wanted = 0.0
    for k, (term, share) in enumerate(zip(net.train.loss, shares, strict=True)):
        (head,) = term.call.args
        last = (net.graph.heads if head in net.graph.heads else net.graph.names)[head].node
        weight, bias = (x.node.attrs.name for x in last.operands[1:])
        weights[weight] = np.zeros_like(weights[weight])
        weights[bias] = np.arange(5, dtype=np.float32) * (k + 1) / 4
        logits = weights[bias].astype(np.float64)
        said = logits - np.log(np.exp(logits).sum())
        truth = np.eye(5)[labels] * (1 - smoothing) + smoothing / 5
        wanted += share * -(truth * said).sum(axis=1).mean()
    images = np.random.default_rng(0).normal(size=(2, side, side, 3)).astype(np.float32)
    step = compile_step(net, weights, batch=2, threads=1)
    assert step(images, labels) == pytest.approx(wanted, rel=1e-6)


def test_what_a_recipe_freezes_stays(tmp_path: Path) -> None:
    net = reduced("resnet50", 32, unit="bottleneck", depths=[1, 1, 1, 1], classes=5)
    how = net.train.override({"batch": "2", "epochs": "2", "freeze": "[stem, stage1]"})
    before = net.initial_weights(how.seed)
    done = train(net, how, pictures(net, 2), run_dir=tmp_path, threads=1, workers=1)
    stays = [n for n in before if n.startswith(("stem.", "stage1."))]
    assert len(stays) > 20
    for name in before:
        assert np.array_equal(done.weights[name], before[name]) == (name in stays), name
