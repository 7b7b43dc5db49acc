"""Folders in which not all is alike: one grey picture among coloured ones, one in colour among grey ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.usefixtures("without_pictures")

TEXT = """model small(classes = 2) {
    input image: 8x8xCHANNELS
    flatten -> dense(classes) as logits -> softmax
}
preprocess { images = normalize(mean = MEAN, std = 0.2) }
train {
    loss      = cross_entropy(logits)
    optimizer = sgd(rate = 0.1)
    batch     = 4
    epochs    = 2
}
eval crops { views = resize(10) -> ten_crop(8) }
"""
TRAIN = ("train", "small.cnn", "--data", "shapes", "--threads", "1")
EVAL = ("eval", "small.cnn", "--data", "shapes", "--threads", "1")


def shapes(folder: Path, mode: str, odd: str) -> None:
    """Four pictures of a class in each part, of which the third is of another mode; and a network for the others."""
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for name in ("dark", "light"):
            (folder / "shapes" / part / name).mkdir(parents=True)
            for i in range(4):
                pixels = (rng.integers(0, 100, (8, 8, 3)) + 100 * (name == "light")).astype(np.uint8)
                image = Image.fromarray(pixels).convert(odd if i == 2 else mode)
                image.save(folder / "shapes" / part / name / f"{i}.png")
    channels, mean = ("3", "[0.3, 0.3, 0.3]") if mode == "RGB" else ("1", "0.3")
    (folder / "small.cnn").write_text(TEXT.replace("CHANNELS", channels).replace("MEAN", mean))


def test_grey_pictures_among_coloured_ones_train_and_are_judged(cli: Any, tmp_path: Path) -> None:
    shapes(tmp_path, "RGB", "L")
    done = cli(*TRAIN)
    assert done.code == 0, done.err
    for words in ((), ("--recipe", "crops")):
        judged = cli(*EVAL, *words)
        assert judged.code == 0 and judged.out.startswith("images    8"), judged.err
    asked = cli("run", "small.cnn", "shapes/test/dark")
    assert asked.code == 0 and len(asked.out.splitlines()) == 4, asked.err


@pytest.mark.parametrize("odd", ["RGB", "RGBA"])
def test_pictures_in_colour_among_grey_ones_are_named_or_skipped(cli: Any, tmp_path: Path, odd: str) -> None:
    shapes(tmp_path, "L", odd)
    done = cli(*TRAIN)
    assert done.code == 1 and "error[E706]: shapes/train/" in done.err
    assert "2.png: the pictures are 8x8x3, the model takes 8x8x1\n" in done.err
    assert "help: preprocess: images = grey -> …; --on-bad-image skip goes on without it\n" in done.err
    done = cli(*TRAIN, "--on-bad-image", "skip")
    assert done.code == 0, done.err
    assert len(Path(next(Path("runs").rglob("skipped.txt"))).read_text().splitlines()) == 4
    for words in ((), ("--recipe", "crops")):
        stopped = cli(*EVAL, *words)
        assert stopped.code == 1 and "error[E706]: shapes/test/dark/2.png: the pictures are 8x8x3" in stopped.err
        judged = cli(*EVAL, *words, "--on-bad-image", "skip")
        assert judged.code == 0 and "2 pictures skipped" in judged.out, judged.err


def test_a_folder_of_which_no_picture_fits_is_refused_although_it_may_skip(cli: Any, tmp_path: Path) -> None:
    shapes(tmp_path, "L", "RGB")
    assert cli(*TRAIN, "--on-bad-image", "skip").code == 0
    for path in Path("shapes/test").rglob("*.png"):
        Image.open(path).convert("RGB").save(path)
    for words in ((), ("--recipe", "crops")):
        judged = cli(*EVAL, *words, "--on-bad-image", "skip")
        assert judged.code == 1 and "error[E706]" in judged.err and "the model takes 8x8x1" in judged.err


def test_folders_without_a_picture_are_no_classes(cli: Any, tmp_path: Path) -> None:
    shapes(tmp_path, "RGB", "RGB")
    for name in ("train/notes", "train/__MACOSX", "train/.git", "test/drafts"):
        (tmp_path / "shapes" / name).mkdir()
    (tmp_path / "shapes" / "train" / "notes" / "readme.txt").write_text("no picture")
    Image.new("RGB", (8, 8)).save(tmp_path / "shapes" / "train" / "__MACOSX" / "1.png")
    for words in (("data", "shapes"), TRAIN, EVAL):
        done = cli(*words)
        assert done.code == 0, done.err
        said = [line for line in done.err.splitlines() if line.startswith("passed over")]
        wanted = [Path("shapes/train/notes"), Path("shapes/test/drafts")]
        assert said == [f"passed over: {path} holds no picture, and is no class" for path in wanted]
    assert cli("data", "shapes").out.startswith("shapes: 2 classes, 8 pictures to train on, 8 to test on\n")
    for path in (tmp_path / "shapes" / "train" / "dark").iterdir():  # a class of the test part alone
        path.unlink()
    assert "error[E705]: shapes/test has a class dark that shapes/train does not have" in cli("data", "shapes").err
    for path in (tmp_path / "shapes" / "test" / "light").iterdir():  # the test part may lack one
        path.unlink()
    for path in (tmp_path / "shapes" / "test" / "dark").iterdir():
        path.rename(tmp_path / "shapes" / "train" / "dark" / path.name)
    Image.new("RGB", (8, 8)).save(tmp_path / "shapes" / "test" / "dark" / "0.png")
    told = cli("data", "shapes")
    assert [line.split() for line in told.out.splitlines()[3:]] == [["dark", "4", "1"], ["light", "4", "0"]]


def test_a_folder_of_folders_is_told_to_be_one(cli: Any, tmp_path: Path) -> None:
    shapes(tmp_path, "RGB", "RGB")
    (tmp_path / "shapes" / "test" / "a").mkdir()  # without a picture
    assert cli(*TRAIN).code == 0
    done = cli("run", "small.cnn", "shapes/test")
    assert done.code == 1
    assert "error[E703]: there is no picture in shapes/test, and folders within it are not entered\n" in done.err
    assert f"help: name one: {Path('shapes/test/dark')}\n" in done.err
    (tmp_path / "none").mkdir()
    assert "error[E703]: there is no picture in none\n" in cli("run", "small.cnn", "none").err
