"""The main job: LeNet-5 on the bundled digits from scratch, five seeds, and a PyTorch twin by the same recipe.

Minutes, so only in the campaign: `pytest -m campaign tests/training/test_digits.py -s`.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import cnndsl
from cnndsl.data import datasets, pipeline
from cnndsl.data.draws import permutation
from cnndsl.language.model import Model
from cnndsl.training.loop import train
from cnndsl.training.schedules import Position, rate_at

pytestmark = pytest.mark.campaign
SEEDS = range(5)


def ours(model: Model, seed: int, run: Path) -> tuple[float, float]:
    """(accuracy on the held-back digits, seconds)."""
    began = time.perf_counter()
    result = train(model, replace(model.train, seed=seed), datasets.open("digits"), run_dir=run)
    accuracy = result.history[-1].validation_accuracy
    assert accuracy is not None
    return accuracy, time.perf_counter() - began


def theirs(model: Model, seed: int) -> float:
    """The same pictures in the same order, from the same weights, at the same rates, in PyTorch."""
    from tests.training.twin import Twin

    data, recipe = datasets.open("digits"), model.train
    assert data.test is not None
    per_epoch = len(data.train) // recipe.batch
    twin = Twin(model.graph, model.initial_weights(seed), recipe.batch, "float32", recipe.optimizer)
    steps = pipeline.bind(recipe.augment, "augment", random=True)
    steps += pipeline.bind(model.preprocess.images, "preprocess", random=False)
    for epoch in range(recipe.epochs):
        order = permutation(seed, epoch, "shuffle", len(data.train))
        for b in range(per_epoch):
            samples = order[b * recipe.batch : (b + 1) * recipe.batch]
            pictures, labels = data.train.take(samples)
            at = Position(epoch * per_epoch + b, recipe.epochs * per_epoch, per_epoch)
            rate = rate_at(recipe.schedule, recipe.optimizer.rate, at)
            twin.step(pipeline.run(steps, pictures, seed, epoch, samples), labels, rate)
    found = twin.logits(pipeline.run(steps[-len(model.preprocess.images) :], data.test.images)).argmax(-1).numpy()
    return float((found == data.test.labels).mean())


@pytest.fixture(scope="module")
def means(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[float, float]]:
    model = cnndsl.load("lenet5")
    return [ours(model, seed, tmp_path_factory.mktemp("run")) for seed in SEEDS]


def test_five_seeds(means: list[tuple[float, float]]) -> None:
    accuracies, seconds = zip(*means, strict=True)
    print(f"\naccuracies {accuracies}, mean {np.mean(accuracies):.4f}; seconds {[round(s, 1) for s in seconds]}")
    assert np.mean(accuracies) >= 0.975
    assert max(seconds) <= 60


@pytest.mark.torch
def test_a_pytorch_twin_is_no_better(means: list[tuple[float, float]]) -> None:
    model = cnndsl.load("lenet5")
    twins = [theirs(model, seed) for seed in SEEDS]
    print(f"\nPyTorch {twins}, mean {np.mean(twins):.4f}")
    assert np.mean([a for a, _ in means]) >= np.mean(twins) - 0.003
