"""Data that give more than a class for each picture: classes of pixels, pictures to make, masks, vectors."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnndsl.data import datasets, pipeline
from cnndsl.data.loader import Loader, Plan, Reader
from cnndsl.data.photograph import psnr
from cnndsl.data.records import Dataset, Part
from cnndsl.errors import CnnError
from cnndsl.language.load import load_text
from cnndsl.language.model import Model
from cnndsl.runtime.compile import compile
from cnndsl.training.compare import evaluate_numbers
from cnndsl.training.evaluate import evaluate
from cnndsl.training.loop import train
from cnndsl.training.records import Stepped

pytestmark = pytest.mark.usefixtures("without_pictures")

SEGMENT = """
model m(classes = 2) {
    input image: 12x12x1
    conv(6, 3x3) -> relu -> conv(classes, 1x1) as logits
}
train { loss = cross_entropy(logits); optimizer = sgd(0.5, momentum = 0.9); batch = 4; epochs = 6; RECIPE }
EVAL
"""
CLEAN = """
model m {
    input image: 12x12x1
    conv(6, 3x3, pad = same) -> relu -> conv(1, 3x3, pad = same)
}
train { loss = LOSS; optimizer = adam(0.01); batch = 4; epochs = 4; RECIPE }
EVAL
"""
VECTORS = """
model m {
    input image: 12x12x1
    flatten -> dense(2)
}
train { loss = mse(output, target); optimizer = adam(0.01); batch = 4; epochs = 3; RECIPE }
EVAL
"""
RNG = np.random.default_rng(0)
CLEARS = RNG.random((20, 12, 12, 1)).astype(np.float32)
NOISY = np.clip(CLEARS + RNG.normal(0, 0.1, CLEARS.shape), 0, 1).astype(np.float32)
MAPS = (CLEARS[:, 1:11, 1:11, 0] > 0.5).astype(np.int32)
ZEROS = np.zeros(20, np.int32)


def model_text(text: str, loss: str = "mse(output, target)", recipe: str = "", evals: str = "") -> str:
    return text.replace("LOSS", loss).replace("RECIPE", recipe).replace("EVAL", evals)


def model(text: str, *changes: str, **named: str) -> Model:
    return load_text(model_text(text, *changes, **named))


def data(images: Any, labels: Any = ZEROS, classes: tuple[str, ...] = (), **beside: Any) -> Dataset:
    part = Part(images, labels, beside)
    return Dataset("dots", classes, part.only(np.arange(16)), part.only(np.arange(16, 20)))


def test_classes_of_pixels(tmp_path: Path) -> None:
    net, dots = model(SEGMENT), data(CLEARS, MAPS, ("dark", "bright"))
    done = train(net, net.train, dots, run_dir=tmp_path / "r")
    assert done.history[-1].accuracy > 0.8 > done.history[0].accuracy > 0.3
    found = evaluate(net, done.weights, dots, batch=3)
    assert (found.count, found.pixels, found.labels) == (4, 100, ("dark", "bright"))
    assert found.confusion.sum() == 400
    assert found.accuracy == np.trace(found.confusion) / 400
    assert found.accuracy == done.history[-1].validation_accuracy
    assert found.loss == pytest.approx(done.history[-1].validation_loss, rel=1e-6)
    logits = np.asarray(compile(net, done.weights, batch=4)(CLEARS[16:]), np.float64)
    chances = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    own = np.take_along_axis(chances, MAPS[16:, :, :, None], 3)
    assert found.loss == pytest.approx(-np.log(own).mean(), rel=1e-5)
    assert found.accuracy == (logits.argmax(-1) == MAPS[16:]).mean()
    both = evaluate(net, [done.weights, done.weights], dots)
    assert both.confusion.tolist() == found.confusion.tolist()


@pytest.mark.pictures
def test_pictures_to_make(tmp_path: Path) -> None:
    net, dots = model(CLEAN, evals="eval few { metrics = [psnr, mae] }"), data(NOISY, target=CLEARS)
    done = train(net, net.train, dots, run_dir=tmp_path / "r")
    assert done.history[-1].loss < 0.5 * done.history[0].loss
    assert done.history[-1].accuracy is None is done.history[-1].validation_accuracy
    made = np.asarray(compile(net, done.weights, batch=4)(NOISY[16:]), np.float64)
    found = evaluate_numbers(net, done.weights, dots)
    gaps = made - CLEARS[16:]
    assert found.count == 4
    assert found.loss == pytest.approx((gaps**2).mean(), rel=1e-5)
    assert done.history[-1].validation_loss == pytest.approx(found.loss, rel=1e-6)
    each = np.mean([psnr(m, t) for m, t in zip(made, CLEARS[16:], strict=True)])
    assert found.metrics == pytest.approx({"mse": (gaps**2).mean(), "mae": np.abs(gaps).mean(), "psnr": each}, rel=1e-5)
    assert list(evaluate_numbers(net, done.weights, dots, recipe="few").metrics) == ["psnr", "mae"]
    double = evaluate_numbers(net, [done.weights, net.initial_weights(3)], dots)
    other = np.asarray(compile(net, net.initial_weights(3), batch=4)(NOISY[16:]), np.float64)
    assert double.metrics["mse"] == pytest.approx(((0.5 * (made + other) - CLEARS[16:]) ** 2).mean(), rel=1e-5)


def test_a_mask_says_what_is_known(tmp_path: Path) -> None:
    """What is behind it makes no difference, to the bit."""
    net = model(CLEAN, "mse(output, target, mask)")
    mask = np.zeros((20, 12, 12, 1), np.uint8)
    mask[:, 2:9, 3:11] = 255
    other = np.where(mask > 0, CLEARS, RNG.random(CLEARS.shape)).astype(np.float32)
    both = (("a", CLEARS), ("b", other))
    runs = [train(net, net.train, data(NOISY, target=t, mask=mask), run_dir=tmp_path / name) for name, t in both]
    for name, x in runs[0].weights.items():
        np.testing.assert_array_equal(x, runs[1].weights[name])
    whole = train(net, net.train, data(NOISY, target=CLEARS, mask=np.full_like(mask, 255)), run_dir=tmp_path / "c")
    assert not np.array_equal(whole.weights["conv.weight"], runs[0].weights["conv.weight"])
    found = [evaluate_numbers(net, runs[0].weights, data(NOISY, target=t, mask=mask)) for t in (CLEARS, other)]
    assert found[0] == found[1]
    made = np.asarray(compile(net, runs[0].weights, batch=4)(NOISY[16:]))
    gaps = (made - CLEARS[16:])[:, 2:9, 3:11].astype(np.float64)
    assert found[0].metrics["mse"] == pytest.approx((gaps**2).mean(), rel=1e-5)
    assert found[0].loss == pytest.approx((gaps**2).sum() / (4 * 144), rel=1e-5)  # the loss: a mean over all pixels


def test_a_mask_that_shows_nothing_of_a_picture() -> None:
    """Its differences are of no number: neither 0 nor endless."""
    net = model(CLEAN, "mse(output, target, mask)")
    weights = net.initial_weights(0)
    mask = np.zeros((20, 12, 12, 1), np.uint8)
    mask[:, 2:9, 3:11] = 255
    mask[18] = 0
    found = evaluate_numbers(net, weights, data(NOISY, target=CLEARS, mask=mask))
    seen = [16, 17, 19]
    part = Part(NOISY, ZEROS, {"target": CLEARS, "mask": mask})
    others = evaluate_numbers(net, weights, Dataset("dots", (), part.only(np.arange(16)), part.only(np.array(seen))))
    assert found.metrics == pytest.approx(others.metrics, rel=1e-12)
    gaps = (np.asarray(compile(net, weights, batch=4)(NOISY[16:]), np.float64) - CLEARS[16:])[[0, 1, 3], 2:9, 3:11]
    assert found.metrics["mse"] == pytest.approx((gaps**2).mean(), rel=1e-5)
    assert np.isfinite(found.metrics["psnr"])
    assert found.count == 4
    assert found.loss == pytest.approx(others.loss * 3 / 4, rel=1e-6)
    none = evaluate_numbers(net, weights, data(NOISY, target=CLEARS, mask=np.zeros_like(mask)))
    assert (none.loss, none.metrics, none.count) == (0, {}, 4)


def test_metrics_without_anything_to_compare() -> None:
    """Where they are asked for they are refused; else there is the loss alone."""
    half = np.ones((20, 6, 6, 1), np.uint8)
    small = "mse(downsample(output, 2), target)"
    masked = "mse(output, image) + mse(downsample(output, 2), downsample(image, 2), mask)"
    vector = data(CLEARS, target=CLEARS[:, 3:5, 3, 0])
    cases = [
        (CLEAN, small, data(CLEARS, target=half), "mae", "the output, which is 12x12x1, and the target is 6x6x1"),
        (CLEAN, masked, data(CLEARS, mask=half), "mse", "the output, which is 12x12x1, and the mask is 6x6x1"),
        (CLEAN, "total_variation(output)", data(CLEARS), "psnr", "the loss takes no target"),
        (VECTORS, "", vector, "psnr", "psnr is of pictures, and m gives 2"),
    ]
    for text, loss, dots, metric, says in cases:
        net = model(text, loss, evals=f"eval a {{ metrics = [{metric}] }}")
        weights = net.initial_weights(0)
        with pytest.raises(CnnError, match=says) as e:
            evaluate_numbers(net, weights, dots, recipe="a")
        assert (e.value.code, e.value.diagnostics[0].span is not None) == ("E423", True)
        assert set(evaluate_numbers(net, weights, dots).metrics) == ({"mse", "mae"} if text is VECTORS else set())


def test_the_picture_itself(tmp_path: Path) -> None:
    net = model(CLEAN, "mse(output, image)")
    done = train(net, net.train, data(CLEARS), run_dir=tmp_path / "r")
    assert done.history[-1].loss < done.history[0].loss
    made = np.asarray(compile(net, done.weights, batch=4)(CLEARS[16:]))
    found = evaluate_numbers(net, done.weights, data(CLEARS))
    assert found.metrics["mse"] == pytest.approx(((made - CLEARS[16:]).astype(np.float64) ** 2).mean(), rel=1e-5)
    renamed = model(CLEAN.replace("input image", "input x"), "mse(output, image)")
    again = train(renamed, renamed.train, data(CLEARS), run_dir=tmp_path / "s")
    for name, x in done.weights.items():
        np.testing.assert_array_equal(x, again.weights[name])


def test_vectors(tmp_path: Path) -> None:
    net = model(VECTORS, recipe="augment = shift(1)")  # a picture may move where its pixels are not compared
    target = np.stack([CLEARS.mean((1, 2, 3)), 5 * CLEARS[:, 0, 0, 0]], axis=1)
    done = train(net, net.train, data(CLEARS, target=target), run_dir=tmp_path / "r")
    assert done.history[-1].loss < done.history[0].loss
    assert set(evaluate_numbers(net, done.weights, data(CLEARS, target=target)).metrics) == {"mse", "mae"}


def test_a_picture_and_what_is_beside_it_are_mirrored_together() -> None:
    net = model(CLEAN, recipe="augment = flip -> flip(vertical) -> noise(0)")
    steps = pipeline.bind(net.train.augment, "augment", random=True)
    maps = np.round(CLEARS[..., 0] * 50).astype(np.int32)
    part = Part(CLEARS, maps, {"target": (CLEARS * 255).astype(np.uint8), "mask": CLEARS})
    seen = set()
    for workers in (1, 3):
        with Reader(steps, (12, 12, 1), workers) as reader:
            loader = Loader(reader, Plan(part, 5, 4, 8, 7, lambda epoch: np.arange(20)))
            for step in range(8):
                images, labels = loader.take(step)
                np.testing.assert_array_equal(loader.beside["mask"], images)
                np.testing.assert_array_equal(labels, np.round(images[..., 0] * 50))
                np.testing.assert_allclose(loader.beside["target"], images, atol=1 / 255)
                seen |= {bool(np.array_equal(x, y)) for x, y in zip(images, CLEARS[5 * (step % 4) :], strict=False)}
    assert seen == {True, False}


def test_waiting_twice_mirrors_once() -> None:
    steps = pipeline.bind(model(CLEAN, recipe="augment = flip").train.augment, "augment", random=True)
    maps = np.round(CLEARS[..., 0] * 50).astype(np.int32)
    with Reader(steps, (12, 12, 1), 2) as reader:
        filling = reader.begin(Part(CLEARS, maps, {"target": CLEARS}), np.arange(20), seed=7)
        for _ in range(2):
            assert filling.wait().all()
            np.testing.assert_array_equal(filling.labels, np.round(filling.images[..., 0] * 50))
            np.testing.assert_array_equal(filling.beside["target"], filling.images)
    assert not np.array_equal(filling.images, CLEARS)


def test_what_a_step_does_hangs_on_no_name_of_its_random_numbers() -> None:
    """A mirror image whose stream is called otherwise mirrors what stands beside it; what is called like one does not."""
    net = model(CLEAN, recipe="augment = noise(0) -> flip")
    noise, flip = pipeline.bind(net.train.augment, "augment", random=True)
    assert (noise.moves_beside, flip.moves_beside, noise.stream, flip.stream) == (
        False, True, "augment.0.noise", "augment.1.flip",
    )  # fmt: skip
    part = Part(CLEARS, ZEROS, {"target": CLEARS})
    with Reader((replace(noise, stream="a.flip"), replace(flip, stream="b")), (12, 12, 1), 1) as reader:
        filling = reader.begin(part, np.arange(20), seed=7)
        filling.wait()
    np.testing.assert_array_equal(filling.beside["target"], filling.images)
    assert not np.array_equal(filling.images, CLEARS)


def test_a_run_is_resumed_to_the_same_bits(tmp_path: Path) -> None:
    net, dots = model(CLEAN, recipe="augment = flip; accumulate = 2"), data(NOISY, target=CLEARS)
    train(net, net.train, dots, run_dir=tmp_path / "a")
    train(net, replace(net.train, epochs=2), dots, run_dir=tmp_path / "b")
    train(net, net.train, dots, run_dir=tmp_path / "b", resume=True)
    files = [(tmp_path / x / "weights.safetensors").read_bytes() for x in "ab"]
    assert files[0] == files[1]
    with pytest.raises(CnnError, match="was trained on other data"):
        train(net, replace(net.train, epochs=9), data(NOISY, target=NOISY), run_dir=tmp_path / "b", resume=True)


@pytest.mark.parametrize(
    ("text", "dots"),
    [
        (SEGMENT, data(CLEARS, MAPS, ("dark", "bright"))),
        (CLEAN, data(NOISY, target=CLEARS)),
        (VECTORS, data(CLEARS, target=CLEARS[:, 3:5, 3, 0])),
    ],
    ids=("pixels", "pictures", "vectors"),
)
def test_stopped_within_an_epoch_and_resumed(text: str, dots: Dataset, tmp_path: Path) -> None:
    net = model(text)
    whole = train(net, net.train, dots, run_dir=tmp_path / "a")

    def stop(event: Any) -> None:
        if isinstance(event, Stepped) and (event.epoch, event.step) == (2, 3):
            signal.raise_signal(signal.SIGINT)

    first = train(net, net.train, dots, run_dir=tmp_path / "b", on_event=stop)
    assert (first.stopped, first.steps) == (True, 7)
    second = train(net, net.train, dots, run_dir=tmp_path / "b", resume=True)
    assert [replace(row, seconds=0) for row in second.history] == [replace(row, seconds=0) for row in whole.history]
    files = [(tmp_path / x / "weights.safetensors").read_bytes() for x in "ab"]
    assert files[0] == files[1]


@pytest.mark.parametrize(
    ("text", "loss", "recipe", "dots", "code", "says"),
    [
        (CLEAN, "mse(output, target)", "", data(NOISY), "E705", "the loss takes target, which dots does not give"),
        (CLEAN, "mse(output, target, mask)", "", data(NOISY, target=CLEARS), "E705", "the loss takes mask"),
        (CLEAN, "mae(output, target)", "", data(NOISY, target=CLEARS[:, 1:]), "E706", "target of 11x12x1, the loss takes"),
        (CLEAN, "mse(output, target)", "augment = shift(1)", data(NOISY, target=CLEARS), "E423", "shift moves the picture"),
        (SEGMENT, "", "", data(CLEARS, ZEROS, ("0", "1")), "E705", "labels of one for each picture, the loss takes 10x10"),
        (SEGMENT, "", "", data(CLEARS, np.ones((20, 12, 12), int), ("0", "1")), "E705", "of 12x12, the loss takes 10x10"),
        (SEGMENT, "", "", data(CLEARS, MAPS, ("0", "1", "2")), "E705", "dots has 3 classes"),
        (SEGMENT, "", "augment = pad(1)", data(CLEARS, MAPS, ("0", "1")), "E423", "pad moves the picture"),
    ],
)  # fmt: skip
def test_data_that_do_not_fit(text: str, loss: str, recipe: str, dots: Dataset, code: str, says: str, tmp_path: Path) -> None:
    net = model(text, loss, recipe)
    with pytest.raises(CnnError) as e:
        train(net, net.train, dots, run_dir=tmp_path / "r")
    (d,) = e.value.diagnostics
    assert (d.code, says in d.message) == (code, True), d.message
    assert d.span is not None


def test_evaluations_that_do_not_fit() -> None:
    net = model(CLEAN, evals="eval a { views = flip }\neval b { metrics = top(2) }")
    for recipe, says in (("a", "views judge classes"), ("b", "top is of classes")):
        with pytest.raises(CnnError, match=says) as e:
            evaluate_numbers(net, net.initial_weights(0), data(NOISY, target=CLEARS), recipe=recipe)
        assert e.value.diagnostics[0].span is not None
    with pytest.raises(CnnError, match="no weights to evaluate with"):
        evaluate_numbers(net, [], data(NOISY, target=CLEARS))
    net = model(SEGMENT, evals="eval a { views = flip }\neval b { metrics = psnr }")
    for recipe, says in (("a", "views are of whole pictures"), ("b", "psnr compares numbers")):
        with pytest.raises(CnnError, match=says) as e:
            evaluate(net, net.initial_weights(0), data(CLEARS, MAPS, ("0", "1")), recipe=recipe)
        assert e.value.diagnostics[0].span is not None
    with pytest.raises(CnnError, match="dots has labels for whole images, m gives classes for 10x10 pixels of an image"):
        evaluate(net, net.initial_weights(0), data(CLEARS, ZEROS, ("0", "1")))


def test_arrays_in_files(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=NOISY, targets=(CLEARS * 255).astype(np.uint8), masks=CLEARS[..., 0] > 0.5)
    found = datasets.open(tmp_path / "a.npz")
    assert (len(found.train), len(found.test or ()), found.classes) == (16, 4, ())
    assert found.train.beside["target"].dtype == np.uint8
    assert found.train.beside["mask"].shape == (16, 12, 12, 1)
    (tmp_path / "b").mkdir()
    for name, x in (("images", CLEARS), ("labels", MAPS), ("test_images", CLEARS[:3]), ("test_labels", MAPS[:3])):
        np.save(tmp_path / "b" / f"{name}.npy", x)
    found = datasets.open(tmp_path / "b")
    assert (found.train.labels.shape, found.test.labels.shape if found.test else None) == ((20, 10, 10), (3, 10, 10))
    assert found.classes == ("0", "1")
    for arrays, code, says in (
        ({"images": NOISY}, "E702", "no array named labels"),
        ({"targets": CLEARS}, "E702", "no array named images"),
        ({"images": NOISY, "targets": CLEARS[:9]}, "E705", "images and targets of shapes"),
        ({"images": NOISY, "targets": np.full((20, 2), np.nan)}, "E706", "not a finite number"),
        ({"images": NOISY, "targets": CLEARS, "masks": CLEARS * 2}, "E706", "float images lie in 0..1"),
        ({"images": NOISY, "targets": CLEARS, "test_images": NOISY}, "E702", "has test_images and no test_targets"),
        ({"images": NOISY, "labels": MAPS[:, 0]}, "E705", "do not belong together"),
        ({"images": NOISY, "labels": MAPS - 1}, "E705", "a label is -1"),
    ):  # fmt: skip
        np.savez(tmp_path / "bad.npz", **arrays)
        with pytest.raises(CnnError, match=says) as e:
            datasets.open(tmp_path / "bad.npz")
        assert e.value.code == code


def test_the_commands(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "m.cnn").write_text(model_text(CLEAN))
    np.savez(tmp_path / "d.npz", images=NOISY, targets=CLEARS)
    assert cli("check", "m.cnn").out == "m.cnn: ok\n"
    done = cli("train", "m.cnn", "--data", "d.npz", "train.epochs=1")
    assert done.code == 0, done.err
    done = cli("eval", "m.cnn", "--data", "d.npz")
    assert done.code == 0, done.err
    assert [line.split()[0] for line in done.out.splitlines()] == ["images", "loss", "mse", "mae", "psnr"]
    assert done.out.splitlines()[-1].endswith(" dB")
    told = json.loads(cli("eval", "m.cnn", "--data", "d.npz", "--json").out)
    assert set(told) >= {"loss", "metrics", "images", "skipped", "weights"}
    assert cli("data", "d.npz").out == "d: 16 pictures of 12x12x1 with target of 12x12x1 to train on, 4 to test on\n"
    assert "no classes of whole pictures" in cli("data", "d.npz", "--write", "w").err
    (tmp_path / "s.cnn").write_text(model_text(SEGMENT))
    np.savez(tmp_path / "s.npz", images=CLEARS, labels=MAPS)
    assert cli("train", "s.cnn", "--data", "s.npz", "train.epochs=1").code == 0
    out = cli("eval", "s.cnn", "--data", "s.npz").out
    assert out.startswith("images    4, 100 pixels with a class each\n")
    assert "called" in out
