"""The curve: a picture with two panels, or one where nothing is classified, even after a single epoch."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from cnndsl.view.curves import loss_curve


@dataclass(frozen=True)
class Epoch:
    epoch: int
    loss: float
    accuracy: float | None = None
    validation_loss: float | None = None
    validation_accuracy: float | None = None


FULL = [Epoch(1, 1.0, 0.5, 1.1, 0.4), Epoch(2, 0.5, 0.8, 0.7, 0.7)]


@pytest.mark.parametrize(
    ("history", "width"),
    [(FULL, 1152), ([Epoch(1, 2.0), Epoch(2, 1.0)], 576), (FULL[:1], 1152), ([Epoch(1, 0.0)], 576), ([], 576)],
    ids=["full", "no accuracy", "one epoch", "a loss of zero", "nothing yet"],
)
def test_a_picture_is_written(tmp_path: Path, history: list[Epoch], width: int) -> None:
    path = tmp_path / "loss.png"
    loss_curve(history, path, "lenet5")
    with Image.open(path) as picture:
        assert picture.size == (width, 432)
    assert [p.name for p in tmp_path.iterdir()] == ["loss.png"]


def test_it_says_what_it_shows(tmp_path: Path) -> None:
    path = tmp_path / "loss.svg"
    loss_curve(FULL, path, "lenet5")
    assert path.read_text().startswith("<?xml")
