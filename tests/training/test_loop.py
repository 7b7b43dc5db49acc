"""Training from end to end: a small network on small pictures, stopped, killed, resumed, refused."""

from __future__ import annotations

import csv
import json
import re
import resource
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnndsl.data import datasets, folder
from cnndsl.data.records import Dataset, Part
from cnndsl.errors import CnnError
from cnndsl.language.load import load_text
from cnndsl.language.model import Model
from cnndsl.runtime.safetensors import read_weights
from cnndsl.training import checkpoint, records
from cnndsl.training.curves import read_steps
from cnndsl.training.evaluate import Piece, evaluate, measured
from cnndsl.training.loop import train
from cnndsl.training.records import EpochDone, Skipped, Started, Stepped, Stretch

pytestmark = pytest.mark.usefixtures("without_pictures")

TEXT = """
model tiny(classes = 4) {
    input image: 8x8x1
    conv(4, 3x3, stride = 2) -> batch_norm(momentum = 0.9) -> relu
    flatten -> dropout(0.2)
    dense(classes) as logits
    softmax
}
train {
    loss      = cross_entropy(logits)
    optimizer = sgd(rate = 0.1, momentum = 0.9)
    schedule  = cosine
    batch     = 16
    epochs    = 4
    augment   = shift(1)
}
preprocess { images = grey }
"""


def stripes() -> Dataset:
    """Four kinds of pictures: a bright quarter each, under noise."""
    rng = np.random.default_rng(0)
    labels = np.arange(100) % 4
    images = rng.integers(0, 120, (100, 8, 8, 1)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        top, left = divmod(int(label), 2)
        image[4 * top : 4 * top + 4, 4 * left : 4 * left + 4] += 100
    labels = labels.astype(np.int32)
    return Dataset("stripes", tuple("abcd"), Part(images[:68], labels[:68]), Part(images[68:], labels[68:]))


@pytest.fixture(scope="module")
def model() -> Model:
    return load_text(TEXT)


@pytest.mark.pictures
def test_it_learns_and_leaves_a_run(model: Model, tmp_path: Path) -> None:
    events: list[Any] = []
    result = train(model, model.train, stripes(), run_dir=tmp_path / "run", on_event=events.append)
    assert not result.stopped
    assert result.steps == 16  # 68 // 16 batches: the last partial one is dropped
    assert [row.epoch for row in result.history] == [1, 2, 3, 4]
    assert result.history[-1].validation_accuracy is not None
    assert result.history[-1].validation_accuracy >= 0.9
    assert result.history[-1].loss < 0.5 * result.history[0].loss
    assert isinstance(events[0], Started)
    assert sum(isinstance(e, Stepped) for e in events) == 16
    assert sum(isinstance(e, EpochDone) for e in events) == 4
    last = [e for e in events if isinstance(e, Stepped)][-1]
    assert (last.step, last.steps, last.epoch) == (4, 4, 4)
    assert last.images_per_second > 0
    assert last.seconds_left == 0
    with (tmp_path / "run" / "log.csv").open() as f:
        rows = list(csv.DictReader(f))
    assert [float(r["validation_loss"]) for r in rows] == [r.validation_loss for r in result.history]
    with Image.open(tmp_path / "run" / "loss.png") as image:
        assert image.size[0] > 300
    assert ">rate<" in re.sub("<!-- (.*?) -->", r">\1<", (tmp_path / "run" / "loss.svg").read_text())
    steps = read_steps(tmp_path / "run" / "steps.csv")
    assert [s.step for s in steps] == list(range(1, 17))
    assert steps == [e for e in events if isinstance(e, Stretch)]
    assert np.mean([s.loss for s in steps[:4]]) == pytest.approx(result.history[0].loss)
    assert np.mean([s.accuracy for s in steps[12:]]) == pytest.approx(result.history[3].accuracy)
    assert (steps[3].epoch, steps[3].rate, steps[3].gradient_norm) == (1.0, result.history[0].rate, None)
    assert "    batch     = 16\n" in (tmp_path / "run" / "recipe.txt").read_text()
    for path in (tmp_path / "run").iterdir():
        assert re.search(rf"\b{re.escape(path.name)}\b", str(records.__doc__)), f"{path.name} is in no list"
    found = evaluate(model, tmp_path / "run" / "weights.safetensors", stripes())
    assert found.accuracy == result.history[-1].validation_accuracy
    assert found.loss == pytest.approx(result.history[-1].validation_loss, rel=1e-6)


def test_evaluation_counts_each_image_once(model: Model) -> None:
    data = stripes()
    found = evaluate(model, model.initial_weights(0), data, batch=5)
    assert found.count == 32
    assert found.confusion.sum() == 32
    assert found.confusion.sum(axis=1).tolist() == [8, 8, 8, 8]
    assert found.accuracy == np.trace(found.confusion) / 32
    assert found.labels == tuple("abcd")
    again = evaluate(model, model.initial_weights(0), data, batch=32)
    assert again.loss == pytest.approx(found.loss, rel=1e-5)


def test_evaluation_refused(model: Model) -> None:
    data, weights = stripes(), model.initial_weights(0)
    with pytest.raises(CnnError, match=re.escape("stripes has 5 classes (a, b, c, d, e), tiny tells 4 apart")) as e:
        evaluate(model, weights, replace(data, classes=tuple("abcde")))
    assert e.value.code == "E705"
    with pytest.raises(CnnError, match="the pictures are 9x9x1, the model takes 8x8x1"):
        evaluate(model, weights, replace(data, test=Part(np.zeros((3, 9, 9, 1), np.uint8), data.train.labels[:3])))
    with pytest.raises(CnnError, match="the weights do not fit"):
        evaluate(model, {}, data)


def weights_of(run: Path) -> bytes:
    return (run / "weights.safetensors").read_bytes()


def test_two_runs_are_bit_identical(model: Model, tmp_path: Path) -> None:
    for name in ("a", "b"):
        train(model, model.train, stripes(), run_dir=tmp_path / name)
    assert weights_of(tmp_path / "a") == weights_of(tmp_path / "b")
    train(model, replace(model.train, seed=5), stripes(), run_dir=tmp_path / "c")
    assert weights_of(tmp_path / "a") != weights_of(tmp_path / "c")


@pytest.mark.parametrize("after", [1, 4, 6, 16])
def test_stopped_and_resumed_it_ends_with_the_same_bits(model: Model, tmp_path: Path, after: int) -> None:
    whole = train(model, model.train, stripes(), run_dir=tmp_path / "whole")
    steps = 0

    def stop(event: Any) -> None:
        nonlocal steps
        steps += isinstance(event, Stepped)
        if steps == after and isinstance(event, Stepped):
            signal.raise_signal(signal.SIGINT)

    first = train(model, model.train, stripes(), run_dir=tmp_path / "cut", on_event=stop)
    assert first.stopped == (after < 16)
    assert first.steps == after
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    second = train(model, model.train, stripes(), run_dir=tmp_path / "cut", resume=True)
    assert not second.stopped
    assert weights_of(tmp_path / "cut") == weights_of(tmp_path / "whole")
    for name in ("loss", "accuracy", "validation_loss", "rate", "step"):
        assert [getattr(r, name) for r in second.history] == [getattr(r, name) for r in whole.history]


def test_weights_that_no_gradient_reaches_are_kept(tmp_path: Path) -> None:
    """Those of a head that the loss leaves out, given by a file: resumed without it they are the same."""
    net = load_text(TEXT.replace("    flatten ->", "    head side { global_avg_pool -> dense(classes) }\n    flatten ->"))
    given = {name: x + np.float32(0.5) for name, x in net.initial_weights(3).items()}

    def stop(event: Any) -> None:
        if isinstance(event, Stepped) and event.epoch == 2:
            signal.raise_signal(signal.SIGINT)

    assert train(net, net.train, stripes(), run_dir=tmp_path / "r", weights=given, on_event=stop).stopped
    train(net, net.train, stripes(), run_dir=tmp_path / "r", resume=True)
    found = read_weights(tmp_path / "r" / "weights.safetensors")
    heads = [name for name in found if name.startswith("side")]
    assert heads
    assert all(np.array_equal(found[name], given[name]) for name in heads)


def test_an_evaluation_without_images_or_weights_is_refused(model: Model) -> None:
    data = stripes()
    weights = model.initial_weights(0)
    with pytest.raises(CnnError, match="holds no images back"):
        evaluate(model, weights, replace(data, test=None), part="test")
    assert evaluate(model, weights, replace(data, test=None), part="train").count == 68
    with pytest.raises(CnnError, match="has no part tset"):
        evaluate(model, weights, data, part="tset")
    with pytest.raises(CnnError, match="no weights"):
        evaluate(model, [], data)


def test_equal_scores_and_none_are_not_all_the_best() -> None:
    truth = np.array([0, 3, 7], np.int32)
    for scores in (np.zeros((3, 8)), np.full((3, 8), np.nan)):
        found = measured([Piece(scores, truth, np.arange(3))], tuple("abcdefgh"), True, (1, 5))
        assert found.accuracy == found.top[1] == pytest.approx(1 / 3)
        assert found.top[5] == pytest.approx(2 / 3)


def test_the_gradients_length_is_logged(model: Model, tmp_path: Path) -> None:
    def stop(event: Any) -> None:
        if isinstance(event, Stepped) and event.step == 2:
            signal.raise_signal(signal.SIGINT)

    train(model, model.train, stripes(), run_dir=tmp_path / "plain")
    whole = train(model, model.train, stripes(), run_dir=tmp_path / "whole", gradient_norm=True)
    train(model, model.train, stripes(), run_dir=tmp_path / "cut", gradient_norm=True, on_event=stop)
    resumed = train(model, model.train, stripes(), run_dir=tmp_path / "cut", gradient_norm=True, resume=True)
    assert weights_of(tmp_path / "plain") == weights_of(tmp_path / "whole") == weights_of(tmp_path / "cut")
    steps = read_steps(tmp_path / "whole" / "steps.csv")
    assert [s.gradient_norm for s in read_steps(tmp_path / "cut" / "steps.csv")] == [s.gradient_norm for s in steps]
    for row, again in zip(whole.history, resumed.history, strict=True):
        assert row.gradient_norm == again.gradient_norm > 0
        own = [s.gradient_norm for s in steps if row.step - 4 < s.step <= row.step]
        assert row.gradient_norm == pytest.approx(np.mean(own), rel=1e-6)


def test_runs_are_numbered_and_the_newest_is_resumed(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    short = replace(model.train, epochs=1)
    assert train(model, short, stripes()).run_dir == Path("runs/tiny/1")
    assert train(model, short, stripes()).run_dir == Path("runs/tiny/2")
    longer = train(model, replace(model.train, epochs=2), stripes(), resume=True)
    assert longer.run_dir == Path("runs/tiny/2")
    assert longer.steps == 8


def test_resumption_refused(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CnnError, match="no run of tiny to resume"):
        train(model, model.train, stripes(), resume=True)
    with pytest.raises(CnnError, match="there is no run"):
        train(model, model.train, stripes(), run_dir="nowhere", resume=True)
    short = replace(model.train, epochs=1)
    train(model, short, stripes(), run_dir="r")
    with pytest.raises(CnnError, match="holds a run already"):
        train(model, short, stripes(), run_dir="r")
    with pytest.raises(CnnError, match="batch was 16, is 8") as e:
        train(model, replace(short, batch=8), stripes(), run_dir="r", resume=True)
    assert e.value.code == "E711"
    other = stripes()
    with pytest.raises(CnnError, match="other data"):
        train(model, short, replace(other, train=other.train.only(np.arange(50))), run_dir="r", resume=True)


def test_a_validation_share(model: Model, tmp_path: Path) -> None:
    events: list[Any] = []
    train(model, replace(model.train, validate=0.25, epochs=1), stripes(), run_dir=tmp_path / "r", on_event=events.append)
    assert (events[0].images, events[0].validation_images) == (52, 16)
    for share, says in ((0.001, "to validate"), (0.999, "to train"), (1.5, "between 0 and 1"), (True, "between")):
        with pytest.raises(CnnError, match=says):
            train(model, replace(model.train, validate=share), stripes(), run_dir=tmp_path / f"r{share}")


def test_steps_instead_of_epochs(model: Model, tmp_path: Path) -> None:
    result = train(model, replace(model.train, epochs=None, steps=6), stripes(), run_dir=tmp_path / "r")
    assert result.steps == 6
    assert [row.step for row in result.history] == [4, 6]


def test_a_run_that_ended_within_an_epoch_goes_on(model: Model, tmp_path: Path) -> None:
    short, longer = (replace(model.train, epochs=None, steps=n) for n in (6, 11))
    train(model, short, stripes(), run_dir=tmp_path / "r")
    for _ in range(2):
        result = train(model, longer, stripes(), run_dir=tmp_path / "r", resume=True)
        assert [(row.epoch, row.step) for row in result.history] == [(1, 4), (2, 6), (2, 8), (3, 11)]


def test_a_history_that_leads_elsewhere_is_refused(model: Model, tmp_path: Path) -> None:
    train(model, replace(model.train, epochs=2), stripes(), run_dir=tmp_path / "r")
    path = checkpoint.complete(tmp_path / "r")[-1] / "checkpoint.json"
    said = json.loads(path.read_text())
    for history in ([], said["history"][1:], [said["history"][1]] * 3):  # it steers rate, patience and the best epoch
        path.write_text(json.dumps({**said, "history": history}))
        with pytest.raises(CnnError, match=r"0000000008.checkpoint.json cannot be read: its epochs") as e:
            train(model, model.train, stripes(), run_dir=tmp_path / "r", resume=True)
        assert e.value.code == "E710"
    path.write_text(json.dumps(said))
    assert train(model, model.train, stripes(), run_dir=tmp_path / "r", resume=True).steps == 16


def test_a_loss_that_diverges_stops_before_the_update(tmp_path: Path) -> None:
    plain = load_text(TEXT.replace(" -> batch_norm(momentum = 0.9)", ""))
    recipe = replace(plain.train, optimizer=replace(plain.train.optimizer, rate=1e30), schedule=None)
    with pytest.raises(CnnError, match=r"step \d+ \(epoch 1\): the loss is (nan|inf)") as e:
        train(plain, recipe, stripes(), run_dir=tmp_path / "r")
    assert e.value.code == "E707"
    assert "the first value that is not finite" in str(e.value)
    assert checkpoint.load(tmp_path / "r")[0].step == 0
    assert [x.step for x in read_steps(tmp_path / "r" / "steps.csv")][:1] == [1]


def test_weights_that_diverge_under_a_finite_loss(model: Model, tmp_path: Path) -> None:
    recipe = replace(model.train, optimizer=replace(model.train.optimizer, rate=1e30), schedule=None)
    with pytest.raises(CnnError, match=r"batch_norm.variance is not finite any more|the loss is") as e:
        train(model, recipe, stripes(), run_dir=tmp_path / "r")
    assert e.value.code == "E707"
    assert checkpoint.load(tmp_path / "r")[0].step == 0


def test_data_that_does_not_fit(model: Model, tmp_path: Path) -> None:
    data = stripes()
    for wrong, code in [
        (replace(data, classes=tuple("abcde")), "E705"),
        (replace(data, train=data.train.only(np.arange(10))), "E423"),
        (replace(data, train=Part(np.zeros((68, 9, 9, 1), np.uint8), data.train.labels)), "E706"),
    ]:
        with pytest.raises(CnnError) as e:
            train(model, model.train, wrong, run_dir=tmp_path / code)
        assert e.value.code == code


def test_a_full_disk_at_a_checkpoint(model: Model, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(event: Any) -> None:
        if isinstance(event, EpochDone) and event.row.epoch == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))

    try:
        with pytest.raises(CnnError, match="cannot be written") as e:
            train(model, model.train, stripes(), run_dir=tmp_path / "r", on_event=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert e.value.code == "E708"
    assert "0000000008" in str(e.value)
    assert train(model, model.train, stripes(), run_dir=tmp_path / "r", resume=True).steps == 16
    train(model, model.train, stripes(), run_dir=tmp_path / "whole")
    assert weights_of(tmp_path / "r") == weights_of(tmp_path / "whole")


PHOTOGRAPHS = (
    TEXT.replace("8x8x1", "8x8x3")
    .replace("shift(1)", "random_resized_crop(8) -> flip -> color_jitter")
    .replace("grey", "resize(8x8)")
)


def photographs(where: Path) -> None:
    rng = np.random.default_rng(0)
    for part, count in (("train", 9), ("test", 3)):
        for c in "abcd":
            (where / part / c).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (12 + i, 20 - i, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(where / part / c / f"{i}.jpg")


@pytest.mark.parametrize("bad", [False, True])
def test_a_folder_of_photographs(tmp_path: Path, bad: bool) -> None:
    """Any number of workers, and a stop and a resumption by another number, with broken pictures or without."""
    model = load_text(PHOTOGRAPHS)
    photographs(tmp_path / "data")
    if bad:
        for name in ("train/b/3.jpg", "test/c/1.jpg"):
            path = tmp_path / "data" / name
            path.write_bytes(path.read_bytes()[:640])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder, "KEPT", 0)
        data = datasets.open(tmp_path / "data", check=not bad)
        how = {"on_bad_image": "skip" if bad else "stop"}
        events: list[Any] = []
        whole = train(model, model.train, data, run_dir=tmp_path / "one", workers=1, on_event=events.append, **how)
        train(model, model.train, data, run_dir=tmp_path / "four", workers=4, **how)

        def stop(event: Any) -> None:
            if isinstance(event, Stepped) and (event.epoch, event.step) == (2, 1):
                signal.raise_signal(signal.SIGINT)

        cut = train(model, model.train, data, run_dir=tmp_path / "cut", workers=2, on_event=stop, **how)
        assert cut.stopped
        train(model, model.train, data, run_dir=tmp_path / "cut", workers=3, resume=True, **how)
    assert weights_of(tmp_path / "one") == weights_of(tmp_path / "four") == weights_of(tmp_path / "cut")
    named = [e for e in events if isinstance(e, Skipped)]
    assert [e.count for e in named] == list(range(1, 1 + 2 * bad))
    assert {Path(e.picture).relative_to(tmp_path / "data").as_posix() for e in named} == (
        {"train/b/3.jpg", "test/c/1.jpg"} if bad else set()
    )
    assert len(whole.skipped) == 2 * bad
    kept = tmp_path / "one" / "skipped.txt"
    assert kept.exists() == bad
    if bad:
        assert kept.read_text().splitlines() == [e.why for e in named]
        with pytest.raises(CnnError, match=r"3\.jpg cannot be read") as e:
            train(model, model.train, data, run_dir=tmp_path / "stop")
        assert e.value.code == "E703"
