"""clip, average and freeze in a whole training step, on every target alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cnndsl.errors import CnnError
from cnndsl.language.load import load_text
from cnndsl.language.recipe import Sgd
from cnndsl.training.step import Step, compile_step

TEXT = """
model m {
    input image: 8x8x2
    conv(4, 3x3) as stem -> batch_norm as norm -> relu
    flatten
    dense(3) as logits
}
train { loss = cross_entropy(logits); optimizer = adam(rate = 0.05); RECIPE }
"""
RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(6, 8, 8, 2)).astype(np.float32)
LABELS = np.array([0, 1, 2, 0, 1, 2], np.int32)


def trained(recipe: str, steps: int = 6, target: str = "numpy", **given: Any) -> tuple[Step, list[float]]:
    step = compile_step(load_text(TEXT.replace("RECIPE", recipe)), batch=6, target=target, **given)
    return step, [step(IMAGES, LABELS) for _ in range(steps)]


@pytest.mark.parametrize(
    "recipe",
    [
        "", "optimizer = adamw(0.05, weight_decay = 0.1)", "optimizer = rmsprop(0.01, momentum = 0.5, weight_decay = 0.1)",
        "clip = value(0.01)", "clip = norm(0.1)", "clip = global_norm(0.1); average = ema(0.9)", "freeze = [stem, norm]",
    ],
)  # fmt: skip
def test_a_loss_falls_on_every_target_alike(recipe: str) -> None:
    text = TEXT if "optimizer" not in recipe else TEXT.replace("optimizer = adam(rate = 0.05); ", "")
    curves = []
    for target in ("numpy", "reference"):
        step = compile_step(load_text(text.replace("RECIPE", recipe)), batch=6, target=target)
        curves.append([step(IMAGES, LABELS) for _ in range(5)])
    np.testing.assert_allclose(*curves, rtol=2e-3)
    assert curves[0][-1] < curves[0][0]


def test_what_is_frozen_keeps_its_bits_and_its_statistics() -> None:
    net = load_text(TEXT.replace("RECIPE", "freeze = [stem, norm]"))
    before = {n: x + np.float32(0.25) for n, x in net.initial_weights(seed=0).items()}
    step = compile_step(net, before, batch=6)
    for _ in range(3):
        step(IMAGES, LABELS)
    after = step.weights
    assert set(after) == set(before)
    same = {n for n in after if np.array_equal(after[n], before[n])}
    assert same == {n for n in after if n.startswith(("stem.", "norm."))}
    assert not any(n.startswith("stem.") and n.count(".") > 1 for n in step.state)  # no slots for what stays


def test_a_frozen_batch_norm_uses_its_running_statistics() -> None:
    _, losses = trained("freeze = norm", steps=1)
    from cnndsl.runtime.compile import compile

    net = load_text(TEXT.replace("RECIPE", ""))
    run = compile(net, net.initial_weights(0), batch=6, outputs=("logits",))
    logits = np.asarray(run(IMAGES), np.float64)
    own = logits[np.arange(6), LABELS] - np.log(np.exp(logits).sum(axis=1))
    assert losses[0] == pytest.approx(-own.mean(), rel=1e-5)


def test_the_average_is_what_is_evaluated() -> None:
    step, _ = trained("average = ema(0.5)", steps=0)
    np.testing.assert_equal(step.averaged, step.weights)
    seen = []
    for _ in range(3):
        step(IMAGES, LABELS)
        seen.append(step.weights["stem.weight"].astype(np.float64))
    expected = (seen[0] + 2 * seen[1] + 4 * seen[2]) / 7
    np.testing.assert_allclose(step.averaged["stem.weight"], expected, rtol=1e-5)
    np.testing.assert_array_equal(step.averaged["norm.mean"], step.weights["norm.mean"])


def test_clipping_bounds_what_one_step_changes() -> None:
    step, _ = trained("clip = global_norm(0.01)", steps=0, optimizer=Sgd(rate=1.0))
    before = step.weights
    step(IMAGES, LABELS)
    moved = [step.weights[n] - before[n] for n in before if step.graph.state[n].kind == "parameter"]
    assert np.sqrt(sum((x.astype(np.float64) ** 2).sum() for x in moved)) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize(("paths", "code"), [("stm", "E404"), ("stem.weight.x", "E404"), ("[stem, norm, logits]", "E423")])
def test_a_path_that_is_not_there(paths: str, code: str) -> None:
    with pytest.raises(CnnError) as e:
        compile_step(load_text(TEXT.replace("RECIPE", f"freeze = {paths}")), batch=6)
    assert e.value.code == code
    assert e.value.diagnostics[0].span is not None
