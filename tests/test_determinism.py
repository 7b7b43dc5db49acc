"""The same model gives the same text and the same bits, whatever Python's hash seed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.models.test_counts import COUNTS

EMIT = """
import hashlib
from cnndsl.language.load import load
from cnndsl.passes.context import Options
from cnndsl.runtime.compile import lower
from cnndsl.training.step import build_step
model = load("{name}")
_, text, _ = lower(model.graph, target="numpy", options=Options(batch=4, workers=2))
print(hashlib.sha256(text.encode()).hexdigest())
step = build_step(model, model.train.loss, model.train.optimizer, 4)
_, text, _ = lower(step, target="numpy", options=Options(batch=4, workers=2, training=True))
print(hashlib.sha256(text.encode()).hexdigest())
"""

EVERYTHING = """
import hashlib
import cnndsl
from cnndsl.language.recipe import Sgd, parse_loss
from cnndsl.passes.context import Options
from cnndsl.runtime.compile import lower, lower_batches
from cnndsl.training.step import build_step, recipe_step
model = cnndsl.load("{name}")
sizes = dict(H=64, W=64) if "hourglass" in "{name}" else dict()
def tell(what, text):
    print(what, len(text), hashlib.sha256(text.encode()).hexdigest())
options = Options(batch=4, workers=2, sizes=sizes)
tell("inference", lower(model.graph, target="numpy", options=options)[1])
tell("batches", lower_batches(model.graph, target="numpy", options=options, batches=(1, 3))[1])
recipes = dict(model.trains)
steps = [recipe_step(model, r, 4, (), sizes) for r in recipes.values()]
steps = steps or [build_step(model, parse_loss("mse(output)"), Sgd(0.1, 0.9), 4, sizes=sizes)]
for step in steps:
    for more in (0.0, 2.0):
        options = Options(batch=4, workers=2, training=True, recompute=more)
        tell("step", lower(step, target="numpy", options=options)[1])
"""

STEPS = """
import hashlib
import numpy as np
from cnndsl.language.load import load
from cnndsl.training.step import compile_step
model = load("resnet20")
step = compile_step(model, batch=8, threads=2, seed=3)
images = np.random.default_rng(0).standard_normal((8, 32, 32, 3)).astype(np.float32)
for _ in range(3):
    step(images, np.arange(8, dtype=np.int32))
digest = hashlib.sha256()
for name, x in sorted(step.weights.items()):
    digest.update(name.encode() + x.tobytes())
print(digest.hexdigest())
"""


def told(code: str, seed: str) -> str:
    env = {**os.environ, "PYTHONHASHSEED": seed}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", ["lenet5", "resnet20"])
def test_emitted_source_does_not_depend_on_the_hash_seed(name: str) -> None:
    first = told(EMIT.format(name=name), "1")
    assert len(first.split()) == 2
    assert told(EMIT.format(name=name), "2") == first


@pytest.mark.campaign
@pytest.mark.parametrize("name", sorted(COUNTS))
def test_source_of_every_network_and_recipe(name: str) -> None:
    """Inference, a file for two batches, a step of each recipe, and the same with activations made again."""
    first = told(EVERYTHING.format(name=name), "1")
    assert len(first.splitlines()) >= 4
    assert told(EVERYTHING.format(name=name), "2") == first


def test_training_gives_the_same_bits_twice() -> None:
    first = told(STEPS, "1")
    assert len(first.strip()) == 64
    assert told(STEPS, "77") == first
