"""`validate = PATH`: a data set of its own to validate on, from the model's folder and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cnndsl
from cnndsl.data import datasets
from cnndsl.data.records import Dataset, Part
from cnndsl.errors import CnnError
from cnndsl.language.model import Model
from cnndsl.training.evaluate import evaluate
from cnndsl.training.loop import train

pytestmark = pytest.mark.usefixtures("without_pictures")

TEXT = """
model tiny(classes = 4) {
    input image: 8x8x1
    conv(4, 3x3, stride = 2) -> relu
    flatten
    dense(classes) as logits
}
train {
    loss      = cross_entropy(logits)
    optimizer = sgd(rate = 0.1, momentum = 0.9)
    batch     = 16
    epochs    = 1
    validate  = "held/out"
}
"""


def stripes(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Four kinds of pictures: a bright quarter each, under noise."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 4).astype(np.int32)
    images = rng.integers(0, 120, (count, 8, 8, 1)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        top, left = divmod(int(label), 2)
        image[4 * top : 4 * top + 4, 4 * left : 4 * left + 4] += 100
    return images, labels


def data(names: str = "abcd") -> Dataset:
    images, labels = stripes(0, 100)
    return Dataset("stripes", tuple(names), Part(images[:64], labels[:64]), Part(images[64:], labels[64:]))


def pictures(where: Path, names: str = "abcd", seed: int = 1) -> None:
    for i, (image, label) in enumerate(zip(*stripes(seed, 20), strict=True)):
        if label < len(names):
            (where / names[label]).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[..., 0]).save(where / names[label] / f"{i}.png")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "tiny.cnn").write_text(TEXT)
    return tmp_path / "model"


def model(home: Path) -> Model:
    return cnndsl.load(home / "tiny.cnn")


def run(home: Path, **given: Any) -> tuple[Any, list[Any]]:
    events: list[Any] = []
    net = model(home)
    done = train(net, given.pop("recipe", net.train), given.pop("data", data()), on_event=events.append, **given)
    return done, events


def test_a_folder_beside_the_model(home: Path, tmp_path: Path) -> None:
    pictures(home / "held" / "out")
    done, events = run(home, run_dir=tmp_path / "r")
    assert (events[0].images, events[0].validation_images, events[0].apart) == (64, 20, "out")
    own = datasets.open(home / "held" / "out", hold_back=False)
    assert own.test is None
    judged = evaluate(model(home), done.weights, own, part="train")
    assert done.history[-1].validation_loss == pytest.approx(judged.loss, rel=1e-6)
    assert done.history[-1].validation_accuracy == judged.accuracy
    assert 'validate  = "held/out"' in (tmp_path / "r" / "recipe.txt").read_text()


@pytest.mark.parametrize("form", ["npz", "npy", "csv", "idx"])
def test_other_forms(home: Path, tmp_path: Path, form: str) -> None:
    images, labels = stripes(1, 20)
    where = home / "held" / "out"
    where.mkdir(parents=True)
    if form == "npz":
        where.rmdir()
        with where.open("wb") as f:
            np.savez(f, images=images, labels=labels)
    elif form == "npy":
        np.save(where / "images.npy", images)
        np.save(where / "labels.npy", labels)
    elif form == "csv":
        pictures(where / "p")
        rows = sorted(x.relative_to(where) for x in where.rglob("*.png"))
        where.rename(home / "aside")
        (home / "held" / "out").write_text("path,label\n" + "".join(f"{r},{r.parent.name}\n" for r in rows))
        (home / "aside" / "p").rename(home / "held" / "p")
    else:
        for stem, n in (("train", 8), ("t10k", 20)):  # the test part is what counts where there is one
            head = b"\0\0\x08\x03" + n.to_bytes(4, "big") + (8).to_bytes(4, "big") * 2
            (where / f"{stem}-images-idx3-ubyte").write_bytes(head + images[:n].tobytes())
            (where / f"{stem}-labels-idx1-ubyte").write_bytes(
                b"\0\0\x08\x01" + n.to_bytes(4, "big") + labels[:n].astype(np.uint8).tobytes()
            )
    _, events = run(home, run_dir=tmp_path / "r")
    assert (events[0].validation_images, events[0].apart) == (20, "out")


def test_classes_go_by_their_names(home: Path, tmp_path: Path) -> None:
    """In another order than the folders', and not all of them."""
    pictures(home / "held" / "out", "dcb")
    swapped = data("dcba")
    done, events = run(home, run_dir=tmp_path / "r", data=swapped)
    assert events[0].validation_images == 15
    own = datasets.open(home / "held" / "out", hold_back=False)
    assert own.classes == ("b", "c", "d")
    images, labels = stripes(1, 20)
    kept = labels < 3
    truth = Dataset("x", swapped.classes, Part(images[kept], labels[kept]))
    assert done.history[-1].validation_loss == pytest.approx(
        evaluate(model(home), done.weights, truth, part="train").loss, rel=1e-6
    )


def test_a_class_that_is_not_there(home: Path, tmp_path: Path) -> None:
    pictures(home / "held" / "out", "abxd")
    with pytest.raises(CnnError, match="out has a class x, which stripes does not have") as e:
        run(home, run_dir=tmp_path / "r")
    (d,) = e.value.diagnostics
    assert d.code == "E705"
    assert d.span is not None
    assert d.span.source.text[d.span.start : d.span.end] == 'validate  = "held/out"'


def test_paths_stay_in_the_folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CnnError, match="there is no data set") as e:
        run(home, run_dir=tmp_path / "r")
    assert e.value.code == "E701"
    assert e.value.diagnostics[0].span is not None
    pictures(tmp_path / "elsewhere")
    (home / "held").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CnnError, match="held/out leaves the folder of this file"):
        run(home, run_dir=tmp_path / "r")
    (home / "held").unlink()
    (home / "held").mkdir()
    (home / "held" / "out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CnnError, match="held/out leaves the folder of this file"):
        run(home, run_dir=tmp_path / "r")
    for said in ('"../elsewhere"', f'"{tmp_path / "elsewhere"}"', '"a/../../elsewhere"', '"a\\b"'):
        with pytest.raises(CnnError, match="leads out of the folder of the model"):
            model(home).train.override({"validate": said})
    monkeypatch.chdir(tmp_path)  # of an entry that the command sets, the current folder
    _, events = run(home, run_dir=tmp_path / "s", recipe=model(home).train.override({"validate": "elsewhere"}))
    assert events[0].apart == "elsewhere"


def test_a_data_set_that_the_caller_gives(home: Path, tmp_path: Path) -> None:
    pictures(tmp_path / "elsewhere", "abcd", seed=5)
    own = datasets.open(tmp_path / "elsewhere", hold_back=False)
    _, events = run(home, run_dir=tmp_path / "r", validation=own)  # in place of what the recipe says
    assert (events[0].validation_images, events[0].apart) == (20, "elsewhere")
    longer = replace(model(home).train, epochs=2)
    with pytest.raises(CnnError, match="was trained on other data") as e:
        run(home, run_dir=tmp_path / "r", resume=True, recipe=longer, validation=data())
    assert e.value.code == "E711"
    done, _ = run(home, run_dir=tmp_path / "r", resume=True, recipe=longer, validation=own)
    assert done.steps == 8


def test_a_picture_that_cannot_be_read(home: Path, tmp_path: Path) -> None:
    pictures(home / "held" / "out")
    bad = home / "held" / "out" / "a" / "0.png"
    bad.write_bytes(bad.read_bytes()[:60])
    with pytest.raises(CnnError, match=r"0\.png cannot be read"):
        run(home, run_dir=tmp_path / "r")
    done, _ = run(home, run_dir=tmp_path / "s", on_bad_image="skip")
    assert len(done.skipped) == 1


def test_the_command(cli: Any, home: Path, tmp_path: Path) -> None:
    pictures(home / "held" / "out")
    pictures(tmp_path / "pictures", seed=2)
    done = cli("train", home / "tiny.cnn", "--data", "pictures", "train.batch=8")
    assert done.code == 0, done.err
    assert "training tiny on 16 images, 20 of out to validate" in done.out
    done = cli("train", home / "tiny.cnn", "--data", "pictures", "train.batch=8", "--validate", str(tmp_path / "pictures"))
    assert "20 of pictures to validate" in done.out, done.err
