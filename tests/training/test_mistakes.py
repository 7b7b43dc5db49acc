"""The worst mistakes are those that evaluation counts, the surest first, each with its own picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cnndsl
from cnndsl.data import datasets
from cnndsl.data.datasets import digits
from cnndsl.data.records import Dataset, Part
from cnndsl.errors import CnnError
from cnndsl.language.load import load_text
from cnndsl.training.evaluate import evaluate
from cnndsl.training.mistakes import mistakes
from cnndsl.training.running import Running

WEIGHTS = Path(cnndsl.__file__).parent / "data" / "weights" / "lenet5.safetensors"


def test_they_are_those_of_the_confusion_matrix() -> None:
    net, data = cnndsl.load("lenet5"), digits()
    found = mistakes(net, WEIGHTS, data, most=1000)
    told = evaluate(net, WEIGHTS, data)
    assert found.count == told.count
    assert found.wrong == len(found.worst) == told.count - int(np.trace(told.confusion)) > 3
    confusion = np.zeros_like(told.confusion)
    for x in found.worst:
        confusion[int(x.true), int(x.called)] += 1
    assert np.array_equal(confusion + np.diag(np.diag(told.confusion)), told.confusion)


def test_each_has_its_picture_and_its_probabilities() -> None:
    net, data = cnndsl.load("lenet5"), digits()
    assert data.test is not None
    found = mistakes(net, WEIGHTS, data, most=3)
    assert len(found.worst) == 3 < found.wrong
    sure = [x.probability for x in found.worst]
    assert sure == sorted(sure, reverse=True)
    run = cnndsl.compile(net, WEIGHTS)
    for x in found.worst:
        index = int(x.name.removeprefix("image "))
        picture = np.asarray(data.test.images)[index]
        assert np.allclose(x.picture, picture / 255)
        assert int(x.true) == data.test.labels[index]
        probabilities = np.asarray(run(picture[None].astype(np.float32) / 255))[0]
        assert int(x.called) == probabilities.argmax()
        assert abs(x.probability - probabilities.max()) < 1e-4
        assert abs(x.own - probabilities[int(x.true)]) < 1e-4


BRIGHTER = """
model m(classes = 3) {
    input image: 6x6x1
    global_avg_pool -> dense(classes)
}
eval mirrored { views = flip }
"""
"""The scores of weights [1, 0, −1] on one grey value g: g, 0 and −g, so that every picture is called the first class."""


@pytest.mark.parametrize("recipe", ["", "mirrored"])
def test_pictures_that_are_skipped_shift_no_other(recipe: str, tmp_path: Path) -> None:
    """Each picture has a grey value of its own, by which it is known again."""
    for part, each in (("train", 1), ("test", 4)):
        for c in range(3):
            (tmp_path / "data" / part / "abc"[c]).mkdir(parents=True)
            for i in range(each):
                pixels = np.full((6, 6), 20 * (4 * c + i) + 10, np.uint8)
                Image.fromarray(pixels).save(tmp_path / "data" / part / "abc"[c] / f"{i}.png")
    broken = [tmp_path / "data" / "test" / x for x in ("a/0.png", "b/1.png", "c/3.png")]
    for path in broken:
        path.write_bytes(b"nothing")
    net, data = load_text(BRIGHTER), datasets.open(tmp_path / "data", check=False)
    kernel = np.array([[1, 0, -1]], np.float32)
    weights = {n: kernel.reshape(x.shape) if x.size == kernel.size and x.ndim == 2 else 0 * x
               for n, x in net.initial_weights(0).items()}  # fmt: skip
    found = mistakes(net, weights, data, recipe=recipe, running=Running(on_bad_image="skip"))
    assert (found.wrong, found.count) == (6, 9)
    folder = tmp_path / "data" / "test"
    names = [str(folder / x) for x in ("c/2.png", "c/1.png", "c/0.png", "b/3.png", "b/2.png", "b/0.png")]
    assert [x.name for x in found.worst] == names
    for x in found.worst:
        c, i = x.name[-7:-4].split("/")
        assert (x.true, x.called) == (c, "a")
        assert np.allclose(x.picture, (20 * (4 * "abc".index(c) + int(i)) + 10) / 255)
    for path in folder.rglob("*.png"):
        path.write_bytes(b"nothing")
    with pytest.raises(CnnError, match="there is no picture that can be read"):
        mistakes(
            net, weights, datasets.open(tmp_path / "data", check=False), recipe=recipe, running=Running(on_bad_image="skip")
        )


def test_pixels_with_classes_are_no_mistaken_pictures() -> None:
    net = load_text("model m { input image: 6x6x1\n conv(2, 1x1) as y }\ntrain { loss = cross_entropy(y) }")
    part = Part(np.zeros((3, 6, 6, 1), np.uint8), np.ones((3, 6, 6), np.int32))
    with pytest.raises(CnnError, match="m gives classes of pixels") as e:
        mistakes(net, net.initial_weights(0), Dataset("dots", ("0", "1"), part, part))
    assert e.value.code == "E705"
