"""Gradient accumulation: a step in parts is the whole step, to the last digits of float64 where nothing sees the batch."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cnndsl
from cnndsl.data.records import Dataset, Part
from cnndsl.errors import CnnError
from cnndsl.graph.read import parse_graph
from cnndsl.graph.text import to_text
from cnndsl.graph.verify import verify
from cnndsl.language.load import load_text
from cnndsl.language.recipe import Adam
from cnndsl.runtime.load import load_source
from cnndsl.runtime.reference import ReferenceStep
from cnndsl.training import checkpoint
from cnndsl.training.loop import train
from cnndsl.training.records import Stepped
from cnndsl.training.step import Step, compile_step, recipe_step

pytestmark = pytest.mark.usefixtures("without_pictures")

TEXT = """
model tiny(classes = 3) {
    input image: 8x8x2
    conv(4, 3x3, stride = 2) as stem -> NORM
    conv(5, 2x2) -> tanh
    head side { global_avg_pool -> dense(classes) }
    flatten -> DROP
    dense(classes) as logits
    softmax
}
train {
    loss      = cross_entropy(logits, label_smoothing = 0.1) + 0.3 * cross_entropy(side)
    optimizer = sgd(rate = 0.1, momentum = 0.9, weight_decay = 1e-3)
    batch     = 12
    epochs    = 3
    RECIPE
}
"""
RNG = np.random.default_rng(4)
IMAGES = RNG.normal(size=(12, 8, 8, 2)).astype(np.float32)
LABELS = RNG.integers(0, 3, 12).astype(np.int32)


def text(recipe: str = "", norm: str = "tanh", drop: str = "identity") -> str:
    return TEXT.replace("RECIPE", recipe).replace("NORM", norm).replace("DROP", drop)


def exact(source: str, parts: int, weights: Mapping[str, Any] | None = None) -> Step:
    """A step on the references of the ops in float64."""
    net = load_text(source)
    graph = recipe_step(net, replace(net.train, accumulate=parts), 12, ("logits",))
    run = ReferenceStep(graph, "float64").load(net.initial_weights(1) if weights is None else weights)
    return Step(graph, run, 0.1, 0, "logits", average=0.5, parts=parts)


def gap(a: Mapping[str, Any], b: Mapping[str, Any]) -> float:
    """The largest difference over the largest number of each array."""
    return max(float(np.abs(a[n] - b[n]).max() / max(np.abs(b[n]).max(), 1e-300)) for n in b)


@pytest.mark.parametrize("parts", [2, 3, 4, 12])
@pytest.mark.parametrize(
    "recipe",
    [
        "", "clip = global_norm(0.1); average = ema(0.5)", "clip = norm(0.05)", "clip = value(0.001)", "freeze = stem",
        "optimizer = adamw(0.01, weight_decay = 0.1)", "optimizer = rmsprop(0.01, momentum = 0.5)",
        "optimizer = sgd(0.1, momentum = 0.9, nesterov = true, rate_in = update)",
    ],
)  # fmt: skip
def test_it_is_the_whole_step(recipe: str, parts: int) -> None:
    source = text(recipe)
    if "optimizer" in recipe:
        source = source.replace("    optimizer = sgd(rate = 0.1, momentum = 0.9, weight_decay = 1e-3)\n", "")
    whole, cut = exact(source, 1), exact(source, parts)
    for k in range(3):
        one, scores = whole.run(IMAGES, LABELS, 0.1 / (k + 1))
        other, theirs = cut.run(IMAGES, LABELS, 0.1 / (k + 1))
        assert other == pytest.approx(one, rel=1e-12)
        assert gap({"": theirs}, {"": scores}) <= 1e-12
    assert int(cut.state["step"]) == 3
    assert gap(cut.kept, whole.kept) <= 1e-12
    assert set(cut.kept) == set(whole.state)
    assert set(cut.state) - set(cut.kept) >= {"logits.weight.gradient", "loss.sum"}


def test_batch_norm_has_the_statistics_of_each_part() -> None:
    """Normalised part by part; the running ones go one step, to the mean of what the parts have."""
    step = exact(text(norm="batch_norm(momentum = 0.9) -> tanh"), 3)
    weights, before = step.weights["stem.weight"], np.full(4, 0.5)
    step.state["batch_norm.mean"][...] = before
    step(IMAGES, LABELS)
    y = np.zeros((12, 3, 3, 4))
    for i in range(3):
        for j in range(3):
            y += np.einsum("nhwc,co->nhwo", IMAGES[:, i : i + 5 : 2, j : j + 5 : 2].astype(np.float64), weights[i, j])
    each = y.reshape(3, -1, 4)
    np.testing.assert_allclose(step.state["batch_norm.mean"], 0.9 * before + 0.1 * each.mean((0, 1)), rtol=1e-12)
    spread = each.var(1, ddof=1).mean(0)
    np.testing.assert_allclose(step.state["batch_norm.variance"], 0.9 + 0.1 * spread, rtol=1e-12)


def test_a_batch_norm_that_is_shared() -> None:
    """Met twice in a part: its statistics go on from the first meeting, as in a step without parts."""
    shared = """
        model twice { input image: 4x4x2; share both = conv(2, 1x1) -> batch_norm(momentum = 0.8); both -> both
                      flatten -> dense(3) as logits }
        train { loss = cross_entropy(logits); optimizer = sgd(0.0); batch = 12 }
    """
    images = np.concatenate([IMAGES[:4, :4, :4]] * 3)  # equal parts have the statistics of the whole
    labels = np.concatenate([LABELS[:4]] * 3)
    whole, cut = exact(shared, 1), exact(shared, 3)
    for _ in range(2):
        whole(images, labels), cut(images, labels)
    name = "both.batch_norm.mean"
    assert gap({name: cut.state[name]}, {name: whole.state[name]}) <= 1e-12
    assert np.abs(whole.state[name]).max() > 0.01


def test_each_part_draws_for_itself() -> None:
    dropping = text(drop="dropout(0.5)")
    images, labels = np.concatenate([IMAGES[:4]] * 3), np.concatenate([LABELS[:4]] * 3)
    step = exact(dropping, 3)
    seen = [step.run(images, labels, 0.0)[1].reshape(3, 4, 3) for _ in range(2)]  # rate 0: the weights stay
    drawn = [x for scores in seen for x in scores]
    assert not any(np.array_equal(drawn[i], drawn[j]) for i in range(6) for j in range(i))
    again = exact(dropping, 3).run(images, labels, 0.0)[1].reshape(3, 4, 3)
    np.testing.assert_array_equal(again, seen[0])


def test_a_part_that_is_not_finite_changes_nothing_and_leaves_nothing() -> None:
    source = text("average = ema(0.5)", norm="batch_norm -> tanh")
    step, other = exact(source, 3), exact(source, 3)
    broken = IMAGES.copy()
    broken[5, 3, 3, 1] = np.nan  # of the second part
    before = {n: np.array(x) for n, x in step.kept.items()}
    with np.errstate(all="ignore"):
        assert np.isnan(step(broken, LABELS))
    for name, x in step.kept.items():
        np.testing.assert_array_equal(x, before[name], err_msg=name)
    assert step(IMAGES, LABELS) == other(IMAGES, LABELS)
    for name, x in step.state.items():
        np.testing.assert_array_equal(x, other.state[name], err_msg=name)


def test_numpy_does_what_the_reference_does() -> None:
    net = load_text(text("accumulate = 3; clip = global_norm(0.5)", norm="batch_norm -> tanh", drop="dropout(0.3)"))
    curves = []
    for target in ("numpy", "reference"):
        step = compile_step(net, batch=12, target=target)
        curves.append([step(IMAGES, LABELS) for _ in range(4)])
    np.testing.assert_allclose(*curves, rtol=2e-4)
    assert curves[0][-1] < curves[0][0]


def test_the_memory_is_that_of_one_part() -> None:
    net = load_text(text())
    arena = {
        (batch, parts): compile_step(net, batch=batch, accumulate=parts, threads=1).executable.program.arena_bytes
        for batch, parts in ((12, 1), (12, 3), (4, 1))
    }
    assert arena[12, 3] <= arena[4, 1] + 1024
    assert arena[12, 3] < 0.5 * arena[12, 1]


def test_the_emitted_file_does_the_same_part_by_part() -> None:
    net = load_text(text("accumulate = 3", norm="batch_norm -> tanh"))
    step = compile_step(net, batch=12, threads=1)
    source = step.executable.source
    assert "part: 0 to 2, a call for each, on 4 images of its own; the weights change in the last one" in source
    alone = load_source(source, "alone").load(net.initial_weights(0))
    for _ in range(2):
        loss = step(IMAGES, LABELS)
        for given in step.in_parts(step.given(IMAGES, LABELS, 0.1)):
            before = np.array(alone.state["logits.weight"])
            told = alone.step(*(given[name] for name in step.graph.inputs))
            assert np.array_equal(before, alone.state["logits.weight"]) == (int(given["part"]) < 2)
        assert float(told) == loss
    for name, x in step.weights.items():
        np.testing.assert_array_equal(alone.state[name], x)


def test_its_graph_is_a_graph_like_others() -> None:
    net = load_text(text("accumulate = 3", norm="batch_norm -> tanh"))
    graph = recipe_step(net, net.train, 12)
    verify(graph)
    assert to_text(parse_graph(to_text(graph), "again")) == to_text(graph)
    assert "part" in graph.inputs
    assert "part" not in recipe_step(net, replace(net.train, accumulate=1), 12).inputs


def pictures() -> Dataset:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 255, (60, 8, 8, 2)).astype(np.uint8), (np.arange(60) % 3).astype(np.int32)
    return Dataset("dots", tuple("abc"), Part(images[:48], labels[:48]), Part(images[48:], labels[48:]))


def test_a_run_is_resumed_to_the_same_bits(tmp_path: Path) -> None:
    source = text("accumulate = 4; average = ema(0.9)", norm="batch_norm -> tanh", drop="dropout(0.2)")
    net = load_text(source)
    for name in ("a", "b"):
        train(net, net.train, pictures(), run_dir=tmp_path / name, workers=1)
    steps = 0

    def stop(event: Any) -> None:
        nonlocal steps
        steps += isinstance(event, Stepped)
        if steps == 6 and isinstance(event, Stepped):
            signal.raise_signal(signal.SIGINT)

    assert train(net, net.train, pictures(), run_dir=tmp_path / "cut", on_event=stop).stopped
    _, state = checkpoint.load(tmp_path / "cut")
    assert not [n for n in state if n.endswith((".gradient", ".sum"))]  # what the next part begins anew is not kept
    done = train(net, net.train, pictures(), run_dir=tmp_path / "cut", resume=True)
    found = {(tmp_path / name / "weights.safetensors").read_bytes() for name in ("a", "b", "cut")}
    assert len(found) == 1
    assert done.steps == 12
    assert "    accumulate = 4\n" in (tmp_path / "cut" / "recipe.txt").read_text()
    with pytest.raises(CnnError, match="accumulate was 4, is 2"):
        train(net, replace(net.train, accumulate=2), pictures(), run_dir=tmp_path / "cut", resume=True)


def test_a_run_from_before_there_was_the_word_goes_on(tmp_path: Path) -> None:
    net = load_text(text())
    train(net, replace(net.train, epochs=1), pictures(), run_dir=tmp_path / "r")
    (path,) = (tmp_path / "r" / "checkpoints").glob("*4/checkpoint.json")
    said = path.read_text()
    assert '"accumulate": "1",' in said
    path.write_text(said.replace('"accumulate": "1",', ""))
    assert train(net, net.train, pictures(), run_dir=tmp_path / "r", resume=True).steps == 12


def test_where_a_part_went_wrong_is_told(tmp_path: Path) -> None:
    net = load_text(text("accumulate = 4"))
    weights = net.initial_weights(0)
    weights["logits.weight"] = np.full_like(weights["logits.weight"], 3e38)
    with pytest.raises(CnnError, match="the first value that is not finite: logits") as e:
        train(net, net.train, pictures(), run_dir=tmp_path / "r", weights=weights)
    assert e.value.code == "E707"


def test_batches_that_do_not_come_to_equal_parts() -> None:
    net = load_text(text("accumulate = 3"))
    with pytest.raises(CnnError, match="a batch of 32 images cannot be cut into 3 equal parts") as e:
        compile_step(net, batch=32)
    (d,) = e.value.diagnostics
    assert (d.code, d.help) == ("E423", "accumulate = 2")
    assert d.span is not None
    assert d.span.source.text[d.span.start :].startswith("accumulate = 3")
    with pytest.raises(CnnError, match="a batch of 12 images cannot be cut into 5") as e:
        net.train.override({"accumulate": "5"})
    assert e.value.code == "E403"
    assert net.train.override({"batch": "9"}).accumulate == 3
    with pytest.raises(CnnError, match="a batch of 7 images cannot be cut into 3"):
        net.train.override({"batch": "7"})
    with pytest.raises(CnnError, match="accumulate is a whole number from 1"):
        compile_step(net, batch=12, accumulate=True)


def test_a_named_recipe_says_it_once() -> None:
    with pytest.raises(CnnError) as e:
        load_text(text("accumulate = 5") + "train long { epochs = 9 }\ntrain other { batch = 14 }\n")
    assert [d.message for d in e.value.diagnostics] == ["a batch of 12 images cannot be cut into 5 equal parts"]
    with pytest.raises(CnnError, match="a batch of 14 images cannot be cut into 3 equal parts"):
        load_text(text("accumulate = 3") + "train other { batch = 14 }\n")


def test_a_model_whose_input_is_called_part() -> None:
    net = load_text("model m { input part: 4x4x1; flatten -> dense(3) as logits }")
    loss = "cross_entropy(logits)"
    images = np.ones((2, 4, 4, 1), np.float32)
    assert compile_step(net, loss=loss, batch=2)(images, LABELS[:2]) > 0
    with pytest.raises(CnnError, match="the model's input part has the name of an input of every training step"):
        compile_step(net, loss=loss, batch=2, accumulate=2)


def test_what_a_step_says_of_itself() -> None:
    step = compile_step(load_text(text()), batch=12, accumulate=3, threads=1, optimizer=Adam(rate=0.1))
    assert "image 12x8x8x2" in repr(step)
    assert "in 3 parts; numpy, batch 4" in repr(step)
    with pytest.raises(CnnError, match=r"image: expected an array of shape \(12, 8, 8, 2\), not \(4, 8, 8, 2\)"):
        step(IMAGES[:4], LABELS[:4])
    assert cnndsl.compile_step is compile_step
