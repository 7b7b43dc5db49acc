"""What a user does with a folder of pictures by class: train, resume, evaluate, ask."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cnndsl
from cnndsl.data.channels import check_order
from cnndsl.data.datasets import digits

pytestmark = pytest.mark.usefixtures("without_pictures")

TINY = """model tiny(classes = 10) {
    input image: 8x8x1
    flatten
    dense(classes) as logits
    softmax
}
train {
    loss = cross_entropy(logits)
    optimizer = sgd(rate = 0.5, momentum = 0.9)
    batch = 6
    epochs = 4
}
preprocess { images = grey -> resize(8x8) }
"""
TRAIN = ("train", "tiny.cnn", "classes=3", "--data", "pets", "--threads", "1")


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Ten pictures each, light at the top, in the middle or at the bottom, and a network."""
    rng = np.random.default_rng(0)
    for k, name in enumerate(("cat", "dog", "guinea pig")):
        base = np.repeat(np.arange(3) == k, 3)[:, None] * 180 + 30
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(10):
            pixels = (base + rng.integers(-20, 20, (9, 9))).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{i}.png")
    (tmp_path / "tiny.cnn").write_text(TINY)
    return tmp_path / "pets"


def test_the_names_of_the_folders_are_the_answers(cli: Any, pets: Path) -> None:
    done = cli(*TRAIN)
    assert done.code == 0, done.err
    following = done.out.splitlines()[-1].split("    ")
    assert following[1:] == [" cnndsl eval tiny.cnn classes=3 --data pets", "cnndsl run tiny.cnn classes=3 PICTURE…"]
    for name in ("cat", "dog", "guinea pig"):
        found = json.loads(cli("run", "tiny.cnn", "classes=3", f"pets/{name}/1.png", "--json").out)
        assert found[0]["label"] == name
    assert cli("eval", "tiny.cnn", "classes=3", "--data", "pets").out.splitlines()[-1].split() == ["guinea", "pig", "2"]
    shutil.rmtree(pets / "dog")  # what is left keeps its place
    matrix = cli("eval", "tiny.cnn", "classes=3", "--data", "pets").out.splitlines()[-3:]
    assert [line.split() for line in matrix] == [["cat", "2"], ["dog"], ["guinea", "pig", "2"]]
    (pets / "cat").rename(pets / "mouse")
    assert (
        "pets has a class mouse, which these weights of tiny were not" in cli("eval", "tiny.cnn", "classes=3", "-d", "pets").err
    )


def test_a_data_set_is_told_and_written_as_pictures(cli: Any, pets: Path) -> None:
    told = cli("data", "pets").out.splitlines()
    assert told[0] == "pets: 3 classes, 24 pictures to train on, 6 to test on"
    assert [line.split() for line in told[3:]] == [["cat", "8", "2"], ["dog", "8", "2"], ["guinea", "pig", "8", "2"]]
    assert json.loads(cli("data", "digits", "--json").out)["test"] == [100] * 10
    done = cli("data", "digits", "--write", "pictures", "--each", "12")
    assert done.err == "240 pictures in pictures, one folder a class: --data pictures takes them\n"
    assert "10 classes, 120 pictures to train on, 120 to test on" in cli("data", "pictures").out
    whole = digits()
    first = np.asarray(whole.train.images)[np.flatnonzero(whole.train.labels == 7)[0], :, :, 0]
    assert (np.asarray(Image.open("pictures/train/7/01.png")) == first).all()
    assert "error[E598]: pictures is there already" in cli("data", "digits", "--write", "pictures").err
    assert "error[E770]: --each goes with --write" in cli("data", "digits", "--each", "3").err
    np.savez("evil.npz", images=np.zeros((2, 8, 8, 1), np.uint8), labels=[0, 1], classes=["../up", "b"])
    assert "error[E705]: evil: a folder cannot be called '../up'" in cli("data", "evil.npz", "--write", "evil").err
    assert not Path("evil").exists()


def test_pictures_as_the_network_takes_them(cli: Any, pets: Path) -> None:
    assert cli(*TRAIN).code == 0
    done = cli("run", "tiny.cnn", "classes=3", "pets/cat", "pets/dog/1.png", "--prepared", "images.npy", "--json")
    images = np.load("images.npy")
    assert (images.shape, images.dtype) == ((11, 8, 8, 1), np.float32) and 0 <= images.min() <= images.max() <= 1
    assert cli("compile", "tiny.cnn", "classes=3", "-o", "net.py").code == 0
    words = [sys.executable, "net.py", "runs/tiny/1/weights.safetensors", "images.npy"]
    alone = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    for line, told in zip(alone, json.loads(done.out), strict=True):
        assert line.partition(": ")[2].startswith(f"{told['label']} "), "the file calls classes as its weights do"
    assert "error[E770]" in cli("run", "tiny.cnn", "classes=3", "pets/cat", "--prepared", "images.txt").err
    assert "error[E598]" in cli("run", "tiny.cnn", "classes=3", "pets/cat", "--prepared", "no/images.npy").err


def test_arrays_with_other_axes_are_refused_with_the_mend(cli: Any, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (20, 1, 28, 28)).astype(np.uint8)
    np.save("first.npy", images)
    np.save("last.npy", np.moveaxis(images[:, 0], 0, -1))
    np.save("mended.npy", np.moveaxis(images, 1, -1))
    np.savez("first.npz", images=images, labels=np.arange(20) % 10)
    says = "an array of shape (20, 1, 28, 28) seems to have its channels at axis 1; images are (n, H, W, C) here"
    for words in ("run lenet5 first.npy", "train lenet5 --data first.npz", "eval lenet5 --data first.npz"):
        done = cli(*words.split())
        assert done.code == 1 and says in done.err and "help: np.moveaxis(images, 1, -1)\n" in done.err
    assert "its images at the last axis" in cli("run", "lenet5", "last.npy").err
    assert cli("run", "lenet5", "mended.npy").code == 0
    run = cnndsl.compile(cnndsl.load("lenet5"), target="reference").load(cnndsl.load("lenet5").initial_weights())
    with pytest.raises(cnndsl.CnnError, match=r"channels come last here: np.moveaxis\(images, 1, -1\)"):
        run(images.astype(np.float32))
    with pytest.raises(cnndsl.CnnError, match="three grey images, or one with its channels first"):
        check_order((3, 32, 32), (32, 32, 3), "x.npy")
    for shape in ((4, 32, 32, 3), (4, 3, 32, 3), (4, 1, 100, 16), (3, 32, 32), (32, 32, 3)):
        check_order(shape, (1, 100, 16) if shape[-1] == 16 else (32, 32, 1), "x.npy")


def test_another_number_of_classes_names_data_place_and_mend(cli: Any, pets: Path) -> None:
    done = cli("train", "tiny.cnn", "--data", "pets")
    assert done.code == 1
    assert "error[E705]: pets has 3 classes (cat, dog, guinea pig), tiny tells 10 apart\n  --> tiny.cnn:4:5\n" in done.err
    assert done.err.endswith("help: say so with the command: classes=3\n")
    assert not Path("runs").exists()


def test_a_new_network_takes_pictures_of_ones_own_without_a_word(cli: Any, pets: Path) -> None:
    assert cli("new", "mine").code == 0
    done = cli("train", "mine.cnn", "classes=3", "--data", "pets", "train.epochs=1", "train.batch=6")
    assert (done.code, done.err) == (0, "")


def test_resuming_what_is_finished_says_so_and_how_to_train_on(cli: Any, pets: Path) -> None:
    assert cli(*TRAIN).code == 0
    before = Path("runs/tiny/1/weights.safetensors").read_bytes()
    done = cli(*TRAIN, "--resume")
    assert done.code == 0
    first, second, _ = done.out.splitlines()
    assert first == f"{Path('runs/tiny/1')} is finished: 16 steps are done, and 4 epochs are asked for"
    assert Path("runs/tiny/1/weights.safetensors").read_bytes() == before
    more = cli(*shlex.split(second.removeprefix("to train on, 4 epochs more: cnndsl ")))
    assert more.code == 0 and more.out.startswith("going on from step 16 with tiny") and "\n    8 " in more.out
    assert "32 steps are done, and 8 epochs" in cli(*TRAIN, "--resume").out


def test_unfinished_runs_are_told_of(cli: Any, pets: Path) -> None:
    ask = ("run", "tiny.cnn", "classes=3", "pets/cat/1.png")
    assert cli(*TRAIN).code == 0
    assert cli(*ask).err == f"weights: {Path('runs/tiny/1/weights.safetensors')} (this folder's newest run)\n"
    assert cli(*TRAIN).code == 0
    Path("runs/tiny/2/weights.safetensors").unlink()  # as kill -9 leaves it
    two = Path("runs/tiny/2")
    assert f"(this folder's newest run with weights; {two} has none yet: cnndsl train tiny.cnn --resume)" in cli(*ask).err
    shutil.rmtree("runs/tiny/1")
    done = cli(*ask)
    assert f"error[E771]: there are no weights for tiny: {two} was broken off before it left any" in done.err
    assert cli(*TRAIN, "--resume").code == 0  # its last checkpoint is the end: the weights are written now
    assert "(this folder's newest run)" in cli(*ask).err


def test_a_run_that_was_stopped_says_where(cli: Any, pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import signal

    from cnndsl.cli.progress import Progress
    from cnndsl.training.records import EpochDone

    def stopping(self: Progress, event: Any) -> None:
        if isinstance(event, EpochDone) and event.row.epoch == 2:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as m:
        m.setattr(Progress, "__call__", stopping)
        assert cli(*TRAIN).code == 130
    ask = ("run", "tiny.cnn", "classes=3", "pets/cat/1.png")
    assert "(this folder's newest run, stopped at step 8 of 16)" in cli(*ask).err
    with monkeypatch.context() as m:
        m.setattr("cnndsl.training.loop._Run._leave", lambda *_: None)  # as where it is killed after its last checkpoint
        assert cli(*TRAIN, "--resume").code == 0
    assert "(this folder's newest run, as it was at step 8; it has come to step 16 since, unfinished)" in cli(*ask).err


def test_what_has_no_data_of_its_own_says_what_can_be_done(cli: Any) -> None:
    assert "train it on pictures of your own: cnndsl train resnet18 --data FOLDER" in cli("eval", "resnet18").err
    assert "--data FOLDER, with one folder a class" in cli("train", "resnet18").err
    for words in ("run hourglass x.png", "export hourglass", "train hourglass"):
        done = cli(*words.split())
        assert done.code == 1 and "cnndsl train" not in done.err
    assert "its tasks: cnndsl restore PICTURE --model hourglass --task " in cli("train", "hourglass").err


def test_an_array_of_no_images_is_named(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("none.npy", np.zeros((0, 28, 28, 1), np.uint8))
    done = cli("run", "lenet5", "none.npy")
    assert done.code == 1
    assert "none.npy holds no images: its shape is (0, 28, 28, 1)" in done.err


def test_pictures_that_cannot_be_read_are_counted_and_named(cli: Any, pets: Path) -> None:
    bad = [pets / c / f"{i}.png" for c in ("cat", "dog") for i in range(11, 23)]
    for path in bad:
        path.write_bytes(b"no picture")
    says = [f"{path.relative_to(pets.parent)} is not a picture that can be read" for path in bad]
    done = cli("data", "pets")
    assert done.code == 1
    assert done.out.splitlines()[0] == "pets: 3 classes, 44 pictures to train on, 10 to test on"
    lines = done.err.splitlines()
    assert lines[0] == "error[E703]: pets: 24 pictures cannot be read"
    assert lines[1:-1] == [*(f" = note: {x}" for x in says[:20]), " = note: and 4 more"]
    assert lines[-1] == " = help: train and eval go on without them: --on-bad-image skip"
    assert sorted(json.loads(cli("data", "pets", "--json").out)["unreadable"]) == sorted(says)
    assert cli(*TRAIN).err == done.err
    for path in bad[1:]:
        path.unlink()
    done = cli(*TRAIN)
    assert done.err == f"error[E703]: {says[0]}\n = help: train and eval go on without it: --on-bad-image skip\n"
    assert cli(*TRAIN, "--on-bad-image", "skip").code == 0


def test_a_picture_is_listed_once_however_often_a_run_is_resumed(cli: Any, pets: Path) -> None:
    (pets / "cat" / "1.png").write_bytes(b"no picture")
    words = (*TRAIN, "--on-bad-image", "skip")
    assert cli(*words, "train.epochs=1").code == 0
    for epochs in (2, 3):
        (pets / "dog" / f"{epochs}.png").write_bytes(b"no picture")
        done = cli(*words, f"train.epochs={epochs}", "--resume")
        assert done.code == 0, done.err
    listed = Path("runs/tiny/1/skipped.txt").read_text().splitlines()
    assert sorted(x.split()[0] for x in listed) == ["pets/cat/1.png", "pets/dog/2.png", "pets/dog/3.png"]


def test_what_cannot_be_read_stands_in_its_place(cli: Any, pets: Path) -> None:
    assert cli(*TRAIN).code == 0
    (pets / "cat" / "3.png").write_bytes(b"no picture")
    (pets / "none").mkdir()
    words = ["run", "tiny.cnn", "classes=3", "pets/cat", "pets/none", "pets/dog/1.png", "gone.png", "pets/dog/2.png"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    both = [sys.executable, "-m", "cnndsl", *words]
    done = subprocess.run(both, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, check=False)
    assert done.returncode == 1
    assert [line.split(maxsplit=1)[0] for line in done.stdout.splitlines()[1:]] == [
        "pets/cat/0.png", "pets/cat/1.png", "pets/cat/2.png", "error[E703]:", *(f"pets/cat/{i}.png" for i in range(4, 10)),
        "error[E703]:", "pets/dog/1.png", "error[E703]:", "pets/dog/2.png",
    ]  # fmt: skip
    assert [x["file"] for x in json.loads(cli(*words, "--json").out)][-2:] == ["pets/dog/1.png", "pets/dog/2.png"]


def test_a_prepared_file_is_whole_where_nobody_reads_the_answers(cli: Any, pets: Path) -> None:
    assert cli(*TRAIN).code == 0
    words = ["run", "tiny.cnn", "classes=3", *["pets/cat", "pets/dog"] * 60, "--prepared", "images.npy"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "cnndsl", *words]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert running.stdout is not None and running.stderr is not None
    assert running.stdout.readline().startswith("pets/cat/0.png")
    running.stdout.close()
    with running.stderr:
        said = running.stderr.read()
    assert running.wait(60) == 1
    assert "Traceback" not in said and "error" not in said and "images.npy: 1,200 x 8x8x1 float32, prepared" in said
    assert np.load("images.npy").shape == (1200, 8, 8, 1)


def test_a_link_may_not_lead_out_of_the_folder(cli: Any, pets: Path, tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    (pets / "cat" / "1.png").rename(tmp_path / "private" / "1.png")
    (tmp_path / "mine").symlink_to(pets)  # whoever names a link means where it leads
    (pets / "cat" / "again.png").symlink_to("2.png")
    (pets / "mouse").symlink_to("dog")
    assert "pets: 4 classes, 32 pictures to train on" in cli("data", "mine").out
    for link, target in (("cat/1.png", "private/1.png"), ("horse", "private")):
        (pets / link).symlink_to(tmp_path / target)
        for words in (("data", "pets"), ("train", "tiny.cnn", "classes=4", "--data", "pets", "--on-bad-image", "skip")):
            done = cli(*words)
            assert done.code == 1
            assert f"error[E702]: pets/{link} is a link that leads out of the folder\n" in done.err
        (pets / link).unlink()
    (pets / "cat" / "1.png").symlink_to(tmp_path / "private" / "1.png")
    assert "error[E702]: pets/cat/1.png is a link" in cli("run", "lenet5", "pets/cat").err
    assert cli("run", "lenet5", "pets/cat/1.png").code == 0
    (pets / "cat" / "notes.txt").symlink_to("/etc/hosts")  # no picture: nobody reads it
    (pets / "cat" / "1.png").unlink()
    assert cli("data", "pets").code == 0


PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("section", ["run", "data", "eval --json"])
def test_the_page_names_every_key_of_json(cli: Any, pets: Path, section: str) -> None:
    section_text = PAGE.split(f"## {section}\n")[1].split("\n## ")[0]
    named = {
        key for row in section_text.splitlines() if row.startswith("| `") for key in re.findall("`(\\w+)`", row.split(" | ")[0])
    }
    (pets / "cat" / "11.png").write_bytes(b"no picture")
    if section == "run":
        assert cli(*TRAIN, "--on-bad-image", "skip", "train.epochs=1").code == 0
        (found,) = json.loads(cli("run", "tiny.cnn", "classes=3", "pets/cat/1.png", "--json").out)
        assert found.keys() == named
        assert all(entry.keys() == {"label", "probability"} for entry in found["top"])
    elif section == "data":
        assert json.loads(cli("data", "pets", "--json").out).keys() == named
    else:
        Path("tiny.cnn").write_text(TINY + "eval five { metrics = [accuracy, top(2)] }\n")
        assert cli(*TRAIN, "--on-bad-image", "skip", "train.epochs=1").code == 0
        words = ("eval", "tiny.cnn", "classes=3", "--data", "pets", "--recipe", "five", "--on-bad-image", "skip", "--json")
        found = json.loads(cli(*words).out)
        Path("plane.cnn").write_text(
            "model plane {\n    input image: 8x8x1\n    conv(1, 3x3, pad = same)\n}\n"
            "train {\n    loss = mse(output, target)\n    optimizer = sgd(rate = 0.1)\n    batch = 4\n    epochs = 1\n}\n"
        )
        np.savez("planes.npz", images=np.zeros((20, 8, 8, 1), np.uint8), targets=np.zeros((20, 8, 8, 1), np.uint8))
        assert cli("train", "plane.cnn", "--data", "planes.npz").code == 0
        numbers = json.loads(cli("eval", "plane.cnn", "--data", "planes.npz", "--json").out)
        assert found.keys() | numbers.keys() == named
        assert numbers["metrics"].keys() == {"mse", "mae", "psnr"}
