"""Names of classes from data to weights to what `run` prints, and data whose classes are not the model's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnndsl.data.records import Dataset, Part
from cnndsl.errors import CnnError
from cnndsl.language.load import load_text
from cnndsl.runtime.notes import LONGEST_NAME, Notes, read_notes
from cnndsl.runtime.safetensors import read_weights, write_weights
from cnndsl.training.classes import class_names, fitted_data

TEXT = "model m(classes = 3) {{\n    input image: 4x4x1\n    flatten\n    dense(classes) as logits\n    softmax\n}}\n{}"
LABELS = "preprocess {{ labels = [{}] }}\n"


def model(labels: str = "") -> Any:
    return load_text(TEXT.format(LABELS.format(labels) if labels else ""))


def data(*classes: str) -> Dataset:
    labels = np.arange(2 * len(classes), dtype=np.int32) % len(classes)
    part = Part(np.zeros((len(labels), 4, 4, 1), np.uint8), labels)
    return Dataset("pets", classes, part, part)


@pytest.mark.parametrize(
    ("labels", "known", "names"),
    [
        ("", [], "0 1 2"),
        ("", ["a b c"], "a b c"),
        ("x, y, z", ["a b c"], "x y z"),
        ("0, 1, 2", ["a b c"], "a b c"),
        ("x, y", ["a b c d"], "0 1 2"),
        ("", ["0 1 2", "a b c"], "a b c"),
    ],
)
def test_names_that_say_more_than_numbers_are_taken(labels: str, known: list[str], names: str) -> None:
    assert class_names(model(labels), 3, *(k.split() for k in known)) == tuple(names.split())


def test_labels_are_brought_into_the_order_of_the_names() -> None:
    found = fitted_data(model("dog, cat, owl"), "logits", data("cat", "dog", "owl"))
    assert found.train.labels.tolist() == [1, 0, 2, 1, 0, 2]
    assert found.classes == ("dog", "cat", "owl")
    some = fitted_data(model(), "logits", data("owl", "cat"), trained=("cat", "dog", "owl"))
    assert some.test is not None
    assert some.test.labels.tolist() == [2, 0, 2, 0]
    other = data("n02", "n05", "n07")
    assert fitted_data(model("cat, dog, owl"), "logits", other) is other  # the file names them: by their order


@pytest.mark.parametrize(
    ("classes", "trained", "says"),
    [
        ("a b c d", None, "pets has 4 classes (a, b, c, d), m tells 3 apart"),
        ("a b", None, "pets has 2 classes (a, b), m tells 3 apart"),
        ("0 1", None, "pets has 2 classes (0, 1), m tells 3 apart"),
        ("a b", (), "pets has 2 classes (a, b), m tells 3 apart"),
        ("cat mouse", ("cat", "dog", "owl"), "pets has a class mouse, which these weights of m were not trained on"),
        ("rat mouse gnu", ("cat", "dog", "owl"), "pets has a class rat"),
    ],
)
def test_other_classes_are_refused(classes: str, trained: Any, says: str) -> None:
    with pytest.raises(CnnError) as e:
        fitted_data(model(), "logits", data(*classes.split()), trained)
    assert e.value.code == "E705" and says in str(e.value)
    if "apart" in says:
        assert "4 |     dense(classes) as logits\n" in str(e.value)
        assert f"classes={len(classes.split())}" in str(e.value)


def test_numbers_that_are_not_all_there_can_be_evaluated() -> None:
    assert fitted_data(model(), "logits", data("0", "1"), ()).classes == ("0", "1")


def test_notes_go_with_the_weights(tmp_path: Path) -> None:
    path, arrays = tmp_path / "w.safetensors", {"a": np.arange(3, dtype=np.float32)}
    notes = Notes(("cat", "guinea pig", "Катя"), 3, 9)
    write_weights(path, arrays, notes.as_metadata())
    assert read_notes(path) == notes and notes.unfinished
    assert read_weights(path)["a"].tolist() == [0, 1, 2]
    write_weights(path, arrays)
    assert read_notes(path) == Notes()


@pytest.mark.parametrize(
    "metadata",
    [
        {"classes": "cat"},
        {"classes": '{"cat": 1}'},
        {"classes": '["cat", 3]'},
        {"classes": '["cat", "cat"]'},
        {"classes": "[" * 100_000},
        {"classes": f'["{"x" * (LONGEST_NAME + 1)}"]'},
        {"step": "-1", "steps": "many"},
        {"step": "9" * 5000},
    ],
)
def test_notes_of_a_stranger_are_as_if_they_were_not_there(metadata: dict[str, str], tmp_path: Path) -> None:
    write_weights(tmp_path / "w", {}, metadata)
    assert read_notes(tmp_path / "w") == Notes()


def test_names_of_a_stranger_cannot_steer_a_terminal(tmp_path: Path) -> None:
    write_weights(tmp_path / "w", {}, {"classes": '["\\u001b[2J", "\\u202ecat", "dog\\n"]'})
    assert read_notes(tmp_path / "w").classes == ("\\x1b[2J", "\\u202ecat", "dog\\n")


@pytest.mark.parametrize("content", [b"", b"\xff" * 20, b"\x02\0\0\0\0\0\0\0[]", b"\x04\0\0\0\0\0\0\0null"])
def test_a_file_that_is_none_has_no_notes(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(content)
    assert read_notes(tmp_path / "w") == Notes() == read_notes(tmp_path / "none")


@pytest.mark.parametrize("labels", ["cat, dogg, bird", "Dog, Cat, Bird"])
def test_labels_that_do_not_name_the_classes_of_the_data_stop_training(labels: str) -> None:
    """Numbers of classes are equal, so nothing else would tell: the network would call a dog a bird for ever."""
    with pytest.raises(CnnError, match="which the labels of m do not name") as e:
        fitted_data(model(labels), "", data("bird", "cat", "dog"))
    assert e.value.code == "E705"
