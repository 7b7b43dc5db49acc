"""What is said where a run is to go on with something else than it was begun with: in words, without checksums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cnndsl.data.records import Part
from cnndsl.language.load import load_text
from cnndsl.language.recipe import TrainRecipe
from cnndsl.training.recipes import drawn
from cnndsl.training.same_run import other_data, other_recipe, recipe_entries, told

RUN = Path("runs/m/1")
RECIPE = """model m { input image: 4x4x1; flatten -> dense(3) as logits }
train {
    loss = cross_entropy(logits) + 0.25 * mse(logits, target)
    optimizer = sgd(rate = 0.1, momentum = 0.9)
    schedule = warmup(1) -> step(at = [2, 3])
    augment = flip -> shift(-1..1)
    epochs = 4
}
"""


def part(count: int = 6, shift: int = 0, **beside: np.ndarray) -> Part:
    return Part(np.zeros((count, 4, 4, 1), np.uint8), (np.arange(count, dtype=np.int32) + shift) % 3, beside)


def recipe() -> TrainRecipe:
    found = load_text(RECIPE).train
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (told("b", part()), "a with 6 images, where these are b with 6 images"),
        (told("a", part(9)), "a with 6 images, where these are a with 9 images"),
        (told("a", part(shift=1)), "the labels of a have changed since"),
        (told("a", part(target=np.ones((6, 3)))), "the targets of a have changed since"),
        (told("a", part(), "v", part(3)), "it was not validated on v with 3 images, which is named now"),
    ],
)
def test_other_data_are_told_in_words(now: str, says: str) -> None:
    assert other_data(RUN, told("a", part()), told("a", part())) is None
    found = other_data(RUN, told("a", part()), now)
    assert found is not None
    assert found.diagnostics[0].message == f"runs/m/1 was trained on other data: {says}"


@pytest.mark.parametrize(
    ("now", "says", "help"),
    [
        (("", None), "it was validated on v with 3 images, and no data to validate on are named", "--validate PATH"),
        (("w", part(3)), "it was validated on v with 3 images, where these are w with 3 images", "new run"),
        (("v", part(3, 1)), "the labels of v have changed since", "new run"),
    ],
)
def test_other_data_to_validate_on(now: tuple[str, Part | None], says: str, help: str) -> None:
    found = other_data(RUN, told("a", part(), "v", part(3)), told("a", part(), *now))
    assert found is not None
    assert found.diagnostics[0].message.endswith(says)
    assert help in str(found.diagnostics[0].help)


def test_names_may_hold_anything() -> None:
    odd = told("a: 3 images, labels 00000000", part(), "v; w", part(2))
    found = other_data(RUN, odd, told("a", part()))
    assert found is not None and "labels 00000000 with 6 images" in str(found)


def test_the_recipe_goes_on_as_it_was_written() -> None:
    how = recipe()
    entries = recipe_entries(how)
    assert entries["loss"] == "cross_entropy(logits) + 0.25 * mse(logits, target)"
    assert entries["schedule"] == "warmup(1) -> step(at = [2, 3])"
    assert other_recipe(RUN, entries, how) is None
    assert other_recipe(RUN, entries, how.override({"epochs": "9"})) is None
    before = {key: drawn(getattr(how, key)) for key in entries}  # as checkpoints of earlier versions have it
    assert other_recipe(RUN, before, how) is None
    del before["accumulate"]
    assert other_recipe(RUN, before, how) is None


@pytest.mark.parametrize(
    ("key", "value", "says", "help"),
    [
        ("batch", "8", "batch was 32, is 8", "train.batch=32"),
        ("loss", "cross_entropy(logits)",
         "loss was cross_entropy(logits) + 0.25 * mse(logits, target), is cross_entropy(logits)",
         "'train.loss=cross_entropy(logits) + 0.25 * mse(logits, target)'"),
        ("augment", "flip", "augment was flip -> shift(-1..1), is flip", "'train.augment=flip -> shift(-1..1)'"),
        ("clip", "norm(1)", "clip was not set, is norm(1)", "leave clip out"),
    ],
)  # fmt: skip
def test_another_recipe_is_told_with_the_entry_as_it_was(key: str, value: str, says: str, help: str) -> None:
    found = other_recipe(RUN, recipe_entries(recipe()), recipe().override({key: value}))
    assert found is not None
    assert found.diagnostics[0].message == f"runs/m/1 was trained by another recipe: {says}"
    assert help in str(found.diagnostics[0].help)
