"""Evaluation of pictures on disk: any number of workers, pictures that cannot be read, and what is told meanwhile."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnndsl.cli.judging import Judging, said
from cnndsl.data import datasets
from cnndsl.data.records import Dataset, Part
from cnndsl.data.write import write_folder
from cnndsl.errors import CnnError
from cnndsl.language.load import load_text
from cnndsl.language.model import Model
from cnndsl.runtime.safetensors import write_weights
from cnndsl.training.compare import evaluate_numbers
from cnndsl.training.evaluate import evaluate
from cnndsl.training.loop import train
from cnndsl.training.mistakes import mistakes
from cnndsl.training.records import Judged, Skipped
from cnndsl.training.surface import surface

TEXT = """
model m(classes = 3) {
    input image: 12x12x3
    conv(4, 3x3) -> relu
    global_avg_pool
    dense(classes) as logits
    softmax
}
train { loss = cross_entropy(logits); optimizer = sgd(0.1); epochs = 1; batch = 2 }
eval crops { views = resize([14, 16]) -> ten_crop(12) }
preprocess { images = resize(12x12) }
"""
PLAIN, CROPS = "", "crops"


@pytest.fixture(scope="module")
def model() -> Model:
    return load_text(TEXT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for part, many in (("train", 1), ("test", 5)):
        for name in "abc":
            (tmp_path / "data" / part / name).mkdir(parents=True)
            for i in range(many):
                pixels = rng.integers(0, 256, (20 + i, 24, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / "data" / part / name / f"{i}.png")
    return tmp_path / "data"


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize("recipe", [PLAIN, CROPS])
def test_any_number_of_workers(model: Model, folder: Path, recipe: str) -> None:
    data, weights = datasets.open(folder), model.initial_weights(0)
    found = [evaluate(model, weights, data, recipe=recipe, workers=n) for n in (1, 3, None)]
    assert len({(e.loss, e.accuracy, e.count, e.confusion.tobytes()) for e in found}) == 1
    assert {e.views for e in found} == {20 if recipe else 1}


@pytest.mark.parametrize("recipe", [PLAIN, CROPS])
def test_pictures_that_cannot_be_read(model: Model, folder: Path, recipe: str) -> None:
    """They are left out, and the others count as if these were not there."""
    weights = model.initial_weights(0)
    names = [folder / "test" / x for x in ("a/0.png", "c/4.png")]
    for path in names:
        spoil(path)
    data = datasets.open(folder, check=False)
    with pytest.raises(CnnError, match=r"0\.png cannot be read") as e:
        evaluate(model, weights, data, recipe=recipe)
    (d,) = e.value.diagnostics
    assert (d.code, d.help) == ("E703", "--on-bad-image skip goes on without it")
    events: list[Any] = []
    found = evaluate(model, weights, data, recipe=recipe, on_bad_image="skip", on_event=events.append)
    assert found.count == 13
    assert len(found.skipped) == 2
    skipped = [x for x in events if isinstance(x, Skipped)]
    assert [(Path(x.picture), x.count) for x in skipped] == [(names[0], 1), (names[1], 2)]
    assert tuple(x.why for x in skipped) == found.skipped
    judged = [x for x in events if isinstance(x, Judged)]
    assert (judged[0].done, judged[0].count, judged[0].views) == (0, 15, 20 if recipe else 1)
    assert [x.done for x in judged] == sorted(x.done for x in judged)
    for path in names:
        path.unlink()
    without = evaluate(model, weights, datasets.open(folder), recipe=recipe)
    assert (without.loss, without.confusion.tolist()) == (found.loss, found.confusion.tolist())


@pytest.mark.parametrize("recipe", [PLAIN, CROPS])
def test_not_one_picture(model: Model, folder: Path, recipe: str) -> None:
    for path in (folder / "test").rglob("*.png"):
        spoil(path)
    with pytest.raises(CnnError, match="there is no picture that can be read"):
        evaluate(model, model.initial_weights(0), datasets.open(folder, check=False), recipe=recipe, on_bad_image="skip")


def test_another_word(model: Model, folder: Path) -> None:
    with pytest.raises(CnnError, match="--on-bad-image is stop or skip, not ignore") as e:
        evaluate(model, model.initial_weights(0), datasets.open(folder), on_bad_image="ignore")
    assert e.value.code == "E770"


def test_the_command(cli: Any, model: Model, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "m.cnn").write_text(TEXT)
    write_weights(tmp_path / "w.safetensors", model.initial_weights(0))
    spoil(folder / "test" / "b" / "2.png")
    words = ("eval", "m.cnn", "-w", "w.safetensors", "--data", "data", "--recipe", "crops", "--workers", 2)
    done = cli(*words)
    assert (done.code, done.out) == (1, "")
    assert "2.png cannot be read" in done.err
    done = cli(*words, "--on-bad-image", "skip")
    assert done.code == 0
    assert done.out.startswith("images    14, 20 views of each image, 1 picture skipped\nloss ")
    first, second = done.err.splitlines()  # no moving line in a pipe
    assert first == "weights: w.safetensors (given)"
    assert second.startswith("skipped: data/test/b/2.png")
    told = json.loads(cli(*words, "--on-bad-image", "skip", "--json").out)
    assert (told["images"], told["views"], len(told["skipped"])) == (14, 20, 1)
    assert cli("eval", "m.cnn", "-w", "w.safetensors", "--data", "data", "--on-bad-image", "skip").out.startswith(
        "images    14, 1 picture skipped\n"
    )


def test_a_terminal_sees_how_far_it_is() -> None:
    event = Judged(12, 1000, 144, 3.75)
    assert said(event) == "12/1,000  144 views of each image  3.2 images/s  5:09 left"
    assert said(replace(event, views=1, done=600, seconds=3.0)) == "600/1,000  200 images/s  0:02 left"
    for moving in (True, False):
        out = io.StringIO()
        with Judging(out, moving) as judging:
            judging(Judged(0, 1000, 144, 0.0))
            judging(event)
            judging(Skipped(0, "x.png", "x.png\x1b[2J cannot be read", 1))
            judging(replace(event, done=1000))
        assert ("144 views of each image" in out.getvalue()) == moving
        assert "skipped: x.png\\x1b[2J cannot be read\n" in out.getvalue()


def test_a_short_evaluation_needs_no_line() -> None:
    out = io.StringIO()
    with Judging(out, True) as judging:
        judging(Judged(0, 100, 1, 0.0))
        judging(Judged(64, 100, 1, 0.2))
        judging(Judged(100, 100, 1, 0.9))
    assert out.getvalue() == ""


def test_a_part_without_a_picture(model: Model, tmp_path: Path) -> None:
    """Each says what there is nothing for; what the other part is for can be done."""
    images, labels = np.zeros((6, 12, 12, 3), np.uint8), np.array([0, 1, 2, 0, 1, 2], np.int32)
    full = Part(images, labels)
    none, weights = full.only(np.arange(0)), model.initial_weights(0)
    untested, untrained = Dataset("dots", ("a", "b", "c"), full, none), Dataset("dots", ("a", "b", "c"), none, full)
    crops = replace(model, evals={"": model.evals["crops"]})
    numbers = load_text("model m { input image: 12x12x3\n conv(3, 1x1) }\ntrain { loss = mse(output, image) }")
    write_weights(tmp_path / "w.safetensors", weights)
    calls: list[tuple[str, Callable[[], object]]] = [
        ("to test on", lambda: evaluate(model, weights, untested)),
        ("to test on", lambda: evaluate(crops, weights, untested)),
        ("to train on", lambda: evaluate(model, weights, untrained, part="train")),
        ("to test on", lambda: mistakes(model, weights, untested)),
        ("to test on", lambda: evaluate_numbers(numbers, numbers.initial_weights(0), untested)),
        ("to train on", lambda: surface(model, tmp_path / "w.safetensors", untrained)),
        ("to train on", lambda: train(model, model.train, untrained, run_dir=tmp_path / "r")),
        ("to validate on", lambda: train(model, model.train, untested, run_dir=tmp_path / "s")),
        ("to test on", lambda: write_folder(untested, tmp_path / "u")),
        ("to train on", lambda: write_folder(untrained, tmp_path / "v")),
    ]
    for purpose, call in calls:
        with pytest.raises(CnnError, match=f"dots holds no picture {purpose}") as e:
            call()
        assert e.value.code == "E705"
    assert not (tmp_path / "u").exists()
    assert evaluate(model, weights, untrained).count == 6
    assert evaluate(model, weights, untested, part="train").count == 6
