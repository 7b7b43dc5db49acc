"""A run's folder that a stranger made: `--resume` writes into it and nowhere else, and reads no more than it should."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cnndsl
from cnndsl.data import datasets
from cnndsl.errors import CnnError
from cnndsl.training import checkpoint, run_folder
from cnndsl.training.loop import train

pytestmark = pytest.mark.usefixtures("without_pictures")

NET = """model net(classes = 2) {
    input image: 8x8x1
    flatten -> dense(classes) as logits -> softmax
}
train {
    loss      = cross_entropy(logits)
    optimizer = sgd(rate = 0.05)
    batch     = 4
    epochs    = 1
}
"""
AGAIN = ("train", "net.cnn", "--resume", "train.epochs=2")
RUN = Path("runs/net/1")


@pytest.fixture
def home(cli: Any, tmp_path: Path) -> Path:
    """A folder with pictures and a run of one epoch; `victim` and `mine` are nobody's business."""
    (tmp_path / "net.cnn").write_text(NET)
    rng = np.random.default_rng(0)
    for name in "ab":
        (tmp_path / "pics" / name).mkdir(parents=True)
        for i in range(5):
            Image.fromarray(rng.integers(0, 255, (8, 8)).astype(np.uint8)).save(tmp_path / "pics" / name / f"{i}.png")
    assert cli("train", "net.cnn", "--data", "pics").code == 0
    (tmp_path / "mine").write_text("mine\n")
    shutil.copytree(RUN / "checkpoints", "victim")
    for folder in (".1precious", "0000000900"):
        Path("victim", folder).mkdir()
        Path("victim", folder, "thesis.txt").write_text("mine\n")
    return tmp_path


def seen(folder: Path) -> dict[str, bytes]:
    """All files outside of runs."""
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file() and "runs" not in p.relative_to(folder).parts}


def refused(cli: Any, home: Path, says: str) -> None:
    before = seen(home)
    done = cli(*AGAIN)
    assert done.code == 1
    assert "E710" in done.err and says in done.err
    assert seen(home) == before


@pytest.mark.parametrize("to", ["mine", "none"])
def test_no_file_of_a_run_may_be_a_link(cli: Any, home: Path, to: str) -> None:
    for name in run_folder.FILES:
        kept = (RUN / name).read_bytes() if (RUN / name).exists() else None
        (RUN / name).unlink(missing_ok=True)
        (RUN / name).symlink_to(home / to)
        refused(cli, home, f"{RUN / name} is a link; a run's files lie in its folder")
        (RUN / name).unlink()
        if kept is not None:
            (RUN / name).write_bytes(kept)
    assert cli(*AGAIN).code == 0


def test_no_name_of_a_picture_is_added_to_a_file_outside(cli: Any, home: Path) -> None:
    said = json.loads((RUN / "command.json").read_text())
    said["options"]["on_bad_image"] = "skip"
    (RUN / "command.json").write_text(json.dumps(said))
    (home / "pics/a/0$(touch PWNED).png").write_bytes(b"none")
    (RUN / "skipped.txt").symlink_to(home / "mine")
    refused(cli, home, "skipped.txt is a link")


def linked(what: str) -> Callable[[Path], str]:
    def make(home: Path) -> str:
        shutil.rmtree(RUN / what) if (RUN / what).is_dir() else (RUN / what).unlink()
        (RUN / what).symlink_to(home / "victim")
        return f"{RUN / what} is a link"

    return make


def linked_state(home: Path) -> str:
    (newest,) = checkpoint.complete(RUN)[-1:]
    (newest / "state.safetensors").unlink()
    (newest / "state.safetensors").symlink_to(home / "victim" / newest.name / "state.safetensors")
    return "state.safetensors is a link"


def linked_checkpoint(home: Path) -> str:
    (RUN / "checkpoints/0000000003").symlink_to(home / "victim/0000000002")
    return "0000000003 is a link"


@pytest.mark.parametrize("make", [linked("checkpoints"), linked_state, linked_checkpoint], ids=["all", "state", "one"])
def test_no_checkpoint_may_be_a_link(cli: Any, home: Path, make: Callable[[Path], str]) -> None:
    refused(cli, home, make(home))


@pytest.mark.parametrize("place", ["runs/net", "runs/net/1"])
def test_a_run_does_not_lie_outside(cli: Any, home: Path, place: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    far = tmp_path_factory.mktemp("far") / "there"
    shutil.move(place, far)
    Path(place).symlink_to(far)
    before = seen(far)
    refused(cli, home, f"{place} is a link that leads out of this folder")
    if place == "runs/net":  # nor does a new one begin there
        done = cli("train", "net.cnn", "--data", "pics")
        assert done.code == 1 and "E710" in done.err
    assert seen(far) == before


def test_the_folder_of_all_runs_may_be_a_link(cli: Any, home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    far = tmp_path_factory.mktemp("disk") / "runs"
    shutil.move("runs", far)
    Path("runs").symlink_to(far)
    assert cli(*AGAIN).code == 0
    assert cli("train", "net.cnn", "--data", "pics").code == 0
    assert (far / "net/2/weights.safetensors").is_file()


@pytest.mark.parametrize("name", ["command.json", "skipped.txt", "steps.csv", "log.csv", "weights.safetensors"])
def test_a_pipe_is_not_waited_for(cli: Any, home: Path, name: str) -> None:
    (RUN / name).unlink(missing_ok=True)
    os.mkfifo(RUN / name)
    refused(cli, home, f"{name} is not a file; a run's files lie in its folder")


def test_the_list_of_files_is_whole(home: Path) -> None:
    assert {p.name for p in RUN.iterdir()} <= {*run_folder.FILES, "checkpoints"}


def test_only_what_was_left_of_a_checkpoint_is_removed(cli: Any, home: Path) -> None:
    left, others = RUN / "checkpoints/.0000000002.4711", (".1precious", ".0000000002", ".0000000002.a", ".notes")
    for path in (left, *(RUN / "checkpoints" / name for name in others)):
        path.mkdir()
        (path / "thesis.txt").write_text("mine")
    (RUN / "checkpoints/.0000000002.12").symlink_to(home / "victim")
    assert cli(*AGAIN).code == 0
    assert not left.exists()
    assert all((RUN / "checkpoints" / name / "thesis.txt").is_file() for name in others)
    assert (home / "victim/.1precious/thesis.txt").is_file()


def test_a_folder_that_is_named_is_looked_at_too(home: Path) -> None:
    (RUN / "loss.png").unlink()
    (RUN / "loss.png").symlink_to(home / "mine")
    model = cnndsl.load("net.cnn")
    for resume in (True, False):
        with pytest.raises(CnnError, match=r"loss.png is a link"):
            train(model, model.train, datasets.open("pics"), run_dir=RUN, resume=resume)
    assert (home / "mine").read_text() == "mine\n"


@pytest.mark.pictures
def test_a_link_that_comes_after_the_look_is_replaced(cli: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_folder, "check", lambda run_dir: None)
    written = [name for name in run_folder.FILES if name not in ("skipped.txt", "model.json", "recipe.txt")]
    for name in written:
        (RUN / name).unlink(missing_ok=True)
        if name != "command.json":  # it is read
            (RUN / name).symlink_to(home / "mine")
    (RUN / "command.json").symlink_to(home / "none")
    assert cli(*AGAIN, "--data", "pics").code == 0
    assert (home / "mine").read_text() == "mine\n" and not (home / "none").exists()
    changed = {name for name in written if not (RUN / name).is_symlink()}
    assert changed | {"best.safetensors"} == set(written)  # that of an epoch before may have been better


@pytest.mark.parametrize("patience", [0, -3, 1.5, True, "2"])
def test_patience_is_a_number_of_epochs(home: Path, patience: Any) -> None:
    model = cnndsl.load("net.cnn")
    with pytest.raises(CnnError, match="patience is a whole number from 1") as e:
        train(model, model.train, datasets.open("pics"), run_dir="new", patience=patience)
    assert e.value.code == "E606"
    assert not Path("new").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"patience": -3}, "patience is a whole number from 1, not -3"),
        ({"patience": 0}, "patience is a whole number from 1, not 0"),
        ({"threads": 0}, "threads is a whole number from 1 to 1024, not 0"),
        ({"threads": 10**9}, "threads is a whole number from 1 to 1024, not 1000000000"),
        ({"on_bad_image": "never"}, "on_bad_image is stop or skip, not 'never'"),
        ({"target": "fpga"}, "target is one of numpy, cupy, reference, not 'fpga'"),
    ],
)
def test_options_are_those_of_the_command_line(cli: Any, home: Path, options: dict[str, Any], says: str) -> None:
    (RUN / "command.json").write_text(json.dumps({"options": {"data": "pics", **options}}))
    refused(cli, home, f"command.json cannot be read: {says}")


@pytest.mark.parametrize("text", ["[]", "1", '{"a": 1}', '{"options": []}', "\x00", "[" * 100_000])
def test_what_is_wrong_with_a_command_is_said_in_our_words(cli: Any, home: Path, text: str) -> None:
    (RUN / "command.json").write_text(text)
    done = cli(*AGAIN)
    assert done.code == 1 and "E710" in done.err
    assert any(x in done.err for x in ("it is no JSON", "it has to hold arguments, entries, options", "of the wrong kind"))


def test_a_run_says_what_it_goes_on_with(cli: Any, home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert " on 8 images of pics, 2 held back to validate, " in cli(*AGAIN).out.splitlines()[0]
    far = tmp_path_factory.mktemp("far") / "pics"
    shutil.copytree("pics", far)
    assert cli("train", "net.cnn", "--data", str(far), "--validate", str(far)).code == 0
    first = cli(*AGAIN).out.splitlines()[0]
    assert f"of {far} (they lie outside this folder: the run's command.json names them, not this command)" in first
    assert f"(those to validate on, {far}, lie outside this folder" in first
    again = cli("train", "net.cnn", "--resume", "train.epochs=3", "--data", str(far), "--validate", str(far))
    assert "outside this folder" not in again.out
