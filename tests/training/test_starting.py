"""Fine-tuning and ensembles: weights of a file to begin with, a new head, and the mean of several networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnndsl.data.records import Dataset, Part
from cnndsl.errors import CnnError
from cnndsl.language.load import load_text
from cnndsl.runtime.compile import compile
from cnndsl.runtime.safetensors import read_weights, write_weights
from cnndsl.training.evaluate import evaluate
from cnndsl.training.loop import train
from cnndsl.training.starting import starting_weights

pytestmark = pytest.mark.usefixtures("without_pictures")

TEXT = """
model m(classes = 4) {
    input image: 8x8x1
    conv(5, 3x3) as stem -> relu
    flatten
    dense(classes) as logits
    softmax
}
train { loss = cross_entropy(logits); optimizer = sgd(0.1); batch = 4; epochs = 1; freeze = stem }
"""
RNG = np.random.default_rng(0)


def data(classes: int) -> Dataset:
    part = Part(RNG.random((12, 8, 8, 1)).astype(np.float32), (np.arange(12) % classes).astype(np.int32))
    return Dataset("noise", tuple("abcdef"[:classes]), part, part)


def test_a_new_head_on_a_trained_network(tmp_path: Path) -> None:
    old = load_text(TEXT)
    before = {n: x + np.float32(1) for n, x in old.initial_weights(seed=5).items()}
    write_weights(tmp_path / "w.safetensors", before)
    new = load_text(TEXT, classes=6)
    assert new.train is not None
    done = train(
        new, new.train, data(6), run_dir=tmp_path / "run", weights=tmp_path / "w.safetensors", reset=["logits"], threads=1
    )
    np.testing.assert_array_equal(done.weights["stem.weight"], before["stem.weight"])
    assert done.weights["logits.weight"].shape[1] == 6
    first = starting_weights(new, before, ["logits"], seed=new.train.seed)
    np.testing.assert_array_equal(first["logits.weight"], new.initial_weights(new.train.seed)["logits.weight"])


@pytest.mark.parametrize(("reset", "code", "text"), [((), "E504", "--reset PATH"), (("head",), "E404", "--reset names head")])
def test_weights_of_other_classes_say_how_they_can_serve(reset: tuple[str, ...], code: str, text: str) -> None:
    weights = load_text(TEXT).initial_weights(seed=5)
    with pytest.raises(CnnError) as e:
        starting_weights(load_text(TEXT, classes=6), weights, reset, 0)
    assert e.value.code == code
    assert text in str(e.value)


@pytest.mark.parametrize("views", ["", "eval { views = flip }"])
def test_an_ensemble_is_the_mean_of_probabilities(views: str) -> None:
    net = load_text(TEXT + views)
    several = [net.initial_weights(seed=s) for s in range(3)]
    several = [{n: x * 3 for n, x in w.items()} for w in several]
    given = data(4)
    images, labels = np.asarray(given.train.images), given.train.labels
    both = [images, np.ascontiguousarray(images[:, :, ::-1])] if views else [images]
    p = np.mean([np.asarray(compile(net, w, batch=4)(x), np.float64) for w in several for x in both], axis=0)
    found = evaluate(net, several, given)
    assert found.loss == pytest.approx(-np.log(p[np.arange(12), labels]).mean(), rel=1e-5)
    assert found.accuracy == (p.argmax(axis=1) == labels).mean()
    alone: Any = evaluate(net, several[0], given)
    assert alone.loss != pytest.approx(found.loss, rel=1e-3)


def test_a_finished_run_gives_the_averages_that_its_file_holds(tmp_path: Path) -> None:
    net = load_text(TEXT)
    assert net.train is not None
    how = net.train.override({"average": "ema(0.9)"})
    first = train(net, how, data(4), run_dir=tmp_path, threads=1)
    again = train(net, how, data(4), run_dir=tmp_path, threads=1, resume=True)
    assert again.begun == again.steps
    kept = read_weights(tmp_path / "weights.safetensors")
    for found in (first.weights, again.weights):
        assert all(np.array_equal(found[name], kept[name]) for name in kept)
