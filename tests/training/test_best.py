"""Ending when nothing gets better, and the best epoch kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnndsl.data.records import Dataset
from cnndsl.language.load import load_text
from cnndsl.runtime.notes import read_notes
from cnndsl.runtime.safetensors import read_weights
from cnndsl.training.best import best, waited
from cnndsl.training.evaluate import evaluate
from cnndsl.training.loop import train
from cnndsl.training.records import EpochDone, Row
from tests.training.test_loop import TEXT, stripes

pytestmark = pytest.mark.usefixtures("without_pictures")


def row(epoch: int, loss: float | None, accuracy: float | None = None) -> Row:
    return Row(epoch, epoch, 0.1, 1.0, None, loss, accuracy, 0.0)


@pytest.mark.parametrize(
    ("history", "epoch"),
    [
        ([], None),
        ([row(1, None)], None),
        ([row(1, 0.5), row(2, 0.3), row(3, 0.4)], 2),
        ([row(1, 0.5, 0.9), row(2, 0.3, 0.8)], 1),
        ([row(1, 0.5, 0.9), row(2, 0.3, 0.9), row(3, 0.3, 0.9)], 2),
        ([row(1, float("nan")), row(2, 7.0)], 2),
    ],
)
def test_the_best_epoch(history: list[Row], epoch: int | None) -> None:
    found = best(history)
    assert (found.epoch if found is not None else None) == epoch


def test_epochs_since_the_lowest_loss() -> None:
    assert waited([]) == 0
    assert waited([3.0, 1.0, 2.0, 1.0]) == 2
    assert waited([3.0, 2.0, 1.0]) == 0
    assert waited([float("nan"), 2.0, 3.0]) == 1


def slow(rate: float = 1e-9) -> Any:
    """Trains by so small a rate that the loss goes up and down with what dropout leaves out."""
    text = TEXT.replace("rate = 0.1", f"rate = {rate}").replace("epochs    = 4", "epochs    = 60")
    return load_text(text.replace("schedule  = cosine", "schedule  = constant"))


@pytest.mark.parametrize("apart", [False, True])
def test_patience_ends_a_run_and_more_of_it_goes_on_to_the_same_bits(apart: bool, tmp_path: Path) -> None:
    model = slow()
    data = stripes()
    validation = Dataset("held", data.classes, data.test) if apart else None
    how: dict[str, Any] = {"validation": validation, "run_dir": tmp_path / "a"}
    done = train(model, model.train, data, patience=3, **how)
    losses = [r.validation_loss if apart else r.loss for r in done.history]
    assert done.waited == 3
    assert not done.stopped
    assert 4 <= len(losses) < 60
    assert min(losses) == losses[-4]  # type: ignore[type-var]
    assert not read_notes(tmp_path / "a" / "weights.safetensors").unfinished

    again = train(model, model.train, data, patience=3, resume=True, **how)
    assert (again.begun, again.steps, again.waited) == (done.steps, done.steps, 3)

    short = replace(model.train, epochs=len(losses) + 4)
    rest = train(model, short, data, resume=True, **how)
    whole = train(model, short, data, validation=validation, run_dir=tmp_path / "b")
    assert rest.waited is None
    for name, x in whole.weights.items():
        np.testing.assert_array_equal(rest.weights[name], x)
    assert (tmp_path / "a" / "best.safetensors").read_bytes() == (tmp_path / "b" / "best.safetensors").read_bytes()


def test_the_weights_of_the_best_epoch_are_kept(tmp_path: Path) -> None:
    model = load_text(TEXT.replace("rate = 0.1", "rate = 0.6"))
    data, kept = stripes(), {}

    def look(event: Any) -> None:
        if isinstance(event, EpochDone):
            path = tmp_path / "r" / "best.safetensors"
            kept[event.row.epoch] = path.read_bytes()

    done = train(model, replace(model.train, epochs=12), data, run_dir=tmp_path / "r", on_event=look)
    found = best(done.history)
    assert found is not None
    assert found.epoch < 12, "the last epoch is the best: the test says nothing"
    assert kept[12] == kept[found.epoch] != kept[max(1, found.epoch - 1)] or found.epoch == 1
    weights = read_weights(tmp_path / "r" / "best.safetensors")
    judged = evaluate(model, weights, data)
    assert judged.accuracy == found.validation_accuracy
    assert read_notes(tmp_path / "r" / "best.safetensors").step == found.step


def test_without_validation_nothing_is_best(tmp_path: Path) -> None:
    model, data = load_text(TEXT), stripes()
    train(model, replace(model.train, epochs=1), replace(data, test=None), run_dir=tmp_path / "r")
    assert not (tmp_path / "r" / "best.safetensors").exists()
