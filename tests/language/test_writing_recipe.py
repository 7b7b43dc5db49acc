"""Recipes written as text say the same when they are read again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cnndsl.language.load import load, load_text
from cnndsl.language.writing.model import graph_to_cnn
from cnndsl.language.writing.recipe import pipeline, train_lines

BODY = "model m {\n    input image: 8x8x1\n    flatten\n    dense(4) as logits\n    dense(4) as other\n    softmax\n}\n"
RECIPES = {
    "plain": "loss = cross_entropy(logits)\noptimizer = sgd(rate = 0.1)\nepochs = 3",
    "sum": "loss = cross_entropy(logits, label_smoothing = 0.1) - 0.3 * cross_entropy(other)\noptimizer = sgd(0.1)\nsteps = 9",
    "options": "optimizer = sgd(rate = 1e-5, nesterov = true, momentum = 0.9, rate_in = update)\nbatch = 8\nvalidate = 0.1",
    "others": "optimizer = adam(rate = 0.001, beta1 = 0.8)\nclip = norm(2.0)\naverage = ema(0.99)\nfreeze = [other]",
    "step": "schedule = step(at = [82, 123], factor = 0.5)",
    "warm": "schedule = warmup(5) -> cosine",
    "warm and flat": "schedule = warmup(2.5)",
    "every": "schedule = step(every = 8)",
    "pictures": "augment = resize(9..12) -> random_crop(8x8) -> affine(rotate = 12, scale = 0.88..1.14) -> flip(vertical)",
    "steps then a name": "data = digits\nseed = 7\nprecision = bf16",
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_written_recipe_is_the_recipe(name: str) -> None:
    recipe = load_text(f"{BODY}train {{\n{RECIPES[name]}\n}}\n").train
    assert recipe is not None
    text = "\n".join(train_lines(recipe))
    again = load_text(f"{BODY}{text}\n").train
    assert again == recipe, text


@pytest.mark.parametrize("name", ["lenet5", "resnet20", "googlenet", "mobilenet_v2"])
def test_of_bundled_models(name: str) -> None:
    net = load(name)
    for recipe in net.trains.values():
        text = f"{graph_to_cnn(net.graph)}\n" + "\n".join(train_lines(replace(recipe, name="")))
        assert replace(load_text(text).trains[""], name=recipe.name) == recipe, text


def test_a_pipeline_reads_as_in_the_file() -> None:
    net = load("lenet5")
    assert net.preprocess is not None
    assert pipeline(net.preprocess.images) == "grey -> invert(auto) -> resize(28x28)"
