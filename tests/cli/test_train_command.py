"""`cnndsl train` as a user types it: entries of recipes, what the head says, and `--resume` without a word more."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnndsl.cli.progress import started
from cnndsl.training.records import Started

pytestmark = pytest.mark.usefixtures("without_pictures")

TINY = """model tiny(classes = 3) {
    input image: 8x8x1
    conv(2, 3x3) -> relu -> flatten -> dense(classes) as logits -> softmax
}
train {
    loss = cross_entropy(logits)
    optimizer = sgd(rate = 0.1)
    batch = 4
    epochs = 2
}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a network and data of four classes, of which 20 images train."""
    rng = np.random.default_rng(0)
    (tmp_path / "tiny.cnn").write_text(TINY)
    np.savez(tmp_path / "set.npz", images=rng.integers(0, 255, (24, 8, 8, 1)).astype(np.uint8), labels=np.arange(24) % 4)
    return tmp_path


GIVEN = ("tiny.cnn", "--data", "set.npz", "classes=4", "train.batch=5", "train.augment=shift(1)", "--threads", "1")


def advised(text: str) -> list[str]:
    """The words behind `cnndsl` in the line that says how to go on."""
    line = next(line for line in text.splitlines() if line.startswith("to "))
    return shlex.split(line.split("cnndsl ")[1])


def test_resume_needs_no_word_more(cli: Any, home: Path) -> None:
    assert cli("train", *GIVEN).code == 0
    finished = cli("train", "tiny.cnn", "--resume")
    assert finished.code == 0, finished.err
    assert "8 steps are done, and 2 epochs are asked for" in finished.out
    longer = cli(*advised(finished.out))
    assert "going on from step 8 with tiny on 20 images" in longer.out, longer.err
    assert json.loads((home / "runs/tiny/1/command.json").read_text()) == {
        "arguments": {"classes": "4"},
        "entries": {"batch": "5", "augment": "shift(1)", "epochs": "4"},
        "options": {"data": "set.npz", "threads": 1},
    }
    again = cli("train", "tiny.cnn", "--resume")
    assert "16 steps are done, and 4 epochs are asked for" in again.out


def test_what_is_asked_for_more_is_more(cli: Any, home: Path) -> None:
    """Fewer than are done, or steps where epochs were counted: the advice goes on from where the run is."""
    assert cli("train", *GIVEN, "train.epochs=3").code == 0
    fewer = cli("train", "tiny.cnn", "--resume", "train.epochs=1")
    assert "to train on, 1 epoch more: cnndsl train tiny.cnn --resume train.epochs=4" in fewer.out
    steps = cli("train", "tiny.cnn", "--resume", "train.steps=2")
    assert "to train on, 2 steps more: cnndsl train tiny.cnn --resume train.steps=14" in steps.out
    assert "going on from step 12" in cli(*advised(steps.out)).out


def test_what_the_command_says_goes_before(cli: Any, home: Path) -> None:
    assert cli("train", *GIVEN).code == 0
    other = cli("train", "tiny.cnn", "--resume", "train.batch=4")
    assert other.code == 1
    assert "batch was 5, is 4" in other.err and "train.batch=5" in other.err


def test_the_advice_says_what_the_run_does_not_know(cli: Any, home: Path) -> None:
    (home / "tiny.cnn").write_text(TINY.replace("batch = 4", "batch = 3"))
    assert cli("train", "tiny.cnn", "--data", "set.npz", "classes=4").code == 0
    (home / "tiny.cnn").write_text(TINY)
    assert "batch was 3, is 4" in cli("train", "tiny.cnn", "--resume").err
    again = cli("train", "tiny.cnn", "--resume", "train.batch=3")
    assert "going on from step 12" in cli(*advised(again.out)).out
    (home / "runs/tiny/1/command.json").unlink()  # as of a run that was begun in Python
    assert "help: name those that the run was begun with: --data PATH" in cli("train", "tiny.cnn", "classes=4", "--resume").err


def test_a_named_recipe_is_resumed_by_its_name(cli: Any, home: Path) -> None:
    (home / "tiny.cnn").write_text(TINY + "train slow { optimizer = sgd(rate = 0.001) }\n")
    assert cli("train", *GIVEN, "--recipe", "slow").code == 0
    assert "going on" in cli("train", "tiny.cnn", "--resume", "train.epochs=3").out


def test_a_killed_run_is_resumed_to_the_same_bits(cli: Any, home: Path) -> None:
    words = [*GIVEN, "train.epochs=120"]
    run = subprocess.Popen([sys.executable, "-m", "cnndsl", "train", *words], cwd=home, stdout=subprocess.PIPE, text=True)
    try:
        assert run.stdout is not None
        until = time.monotonic() + 60
        while not list(home.glob("runs/tiny/1/checkpoints/*4")) and time.monotonic() < until and run.poll() is None:
            time.sleep(0.01)
        assert run.poll() is None
        os.kill(run.pid, signal.SIGKILL)
    finally:
        run.kill()
        run.communicate()
    assert not (home / "runs/tiny/1/weights.safetensors").exists()
    done = cli("train", "tiny.cnn", "--resume")
    assert done.code == 0, done.err
    assert "going on from step" in done.out
    assert cli("train", *words).code == 0
    cut, whole = ((home / f"runs/tiny/{k}/weights.safetensors").read_bytes() for k in (1, 2))
    assert cut == whole


def test_after_a_loss_that_is_no_number_a_new_run_is_advised(cli: Any, home: Path) -> None:
    bad = cli("train", *GIVEN, "train.optimizer=sgd(rate = 1e38)")
    assert bad.code == 1
    assert "help: a new run with a smaller rate" in bad.err
    assert "E707" in cli("train", "tiny.cnn", "--resume").err


def test_nothing_to_resume_says_how_to_begin(cli: Any, home: Path) -> None:
    done = cli("train", *GIVEN, "--resume")
    assert "help: begin one: cnndsl train tiny.cnn --data set.npz classes=4" in done.err
    assert "--resume" not in done.err.partition("help:")[2]


@pytest.mark.parametrize("text", ["{", "[]", '{"entries": {"batch": 4}}', '{"options": {"data": 3}}', '{"words": {}}'])
def test_a_strange_command_is_refused(cli: Any, home: Path, text: str) -> None:
    assert cli("train", *GIVEN).code == 0
    (home / "runs/tiny/1/command.json").write_text(text)
    done = cli("train", "tiny.cnn", "--resume")
    assert done.code == 1
    assert "E710" in done.err and "command.json" in done.err


def test_a_recipe_that_lacks_something_trains_where_the_command_says_it(cli: Any, home: Path) -> None:
    (home / "tiny.cnn").write_text(TINY.replace("    epochs = 2\n", ""))
    checked = cli("check", "tiny.cnn")
    assert (checked.code, "W413" in checked.err) == (0, True)
    refused = cli("train", *GIVEN)
    assert refused.code == 1 and "E423" in refused.err and "how long to train" in refused.err
    assert not (home / "runs").exists()
    done = cli("train", *GIVEN, "train.steps=3")
    assert done.code == 0 and "W413" not in done.err


def test_entries_of_an_evaluation(cli: Any, home: Path) -> None:
    (home / "tiny.cnn").write_text(TINY + "eval both { views = flip }\n")
    assert cli("train", *GIVEN).code == 0
    words = ("eval", "tiny.cnn", "classes=4", "--data", "set.npz", "--json")
    plain = json.loads(cli(*words, "eval.metrics=[accuracy, top(2)]").out)
    assert plain["views"] == 1 and 0 <= plain["top"]["2"] <= 1
    both = json.loads(cli(*words, "--recipe", "both", "eval.metrics=top(3)").out)
    assert both["views"] == 2 and set(both["top"]) == {"3"}
    wrong = cli(*words, "eval.views=flipp")
    assert wrong.code == 1 and "--> eval.views:1:1" in wrong.err and "did you mean flip?" in wrong.err
    assert "it reads eval.KEY=VALUE" in cli(*words, "train.epochs=3").err
    drawn = cli("plot", "confusion", *words[1:-1], "eval.views=flip", "-o", "c.svg")
    assert drawn.code == 0, drawn.err


DOUBTFUL = TINY.replace("rate = 0.1", "0,1") + "train other { optimizer = sgd(rate = 0); augment = cutout(9) }\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("show tiny.cnn", []),
        ("compile tiny.cnn -o net.py", []),
        ("check tiny.cnn", ["look like one with decimals", "with a rate of 0", "a cutout of 9x9", "top(5) of 3"]),
        ("train tiny.cnn --data three.npz", ["look like one with decimals"]),
        ("train tiny.cnn --data three.npz train.optimizer=sgd(0.1)", []),
        ("train tiny.cnn --data three.npz --recipe other", ["with a rate of 0", "a cutout of 9x9"]),
        ("train tiny.cnn --data three.npz --recipe other train.augment=flip", ["with a rate of 0"]),
        ("train tiny.cnn --data three.npz train.optimizer=sgd(0) train.seed=1", ["with a rate of 0"]),
        ("eval tiny.cnn --data three.npz -w w.safetensors", ["top(5) of 3"]),
        ("eval tiny.cnn --data three.npz -w w.safetensors eval.metrics=top(2)", []),
        ("restore one.png task.steps=1 task.optimizer=adam(0)", ["with a rate of 0"]),
    ],
)  # fmt: skip
def test_doubts_stand_where_the_recipe_is_carried_out(cli: Any, home: Path, words: str, says: list[str]) -> None:
    from cnndsl import load, write_weights

    (home / "tiny.cnn").write_text(DOUBTFUL + "eval { metrics = top(5) }\n")
    np.savez(home / "three.npz", images=np.ones((24, 8, 8, 1), np.uint8), labels=np.arange(24) % 3)
    Image.new("RGB", (40, 40)).save(home / "one.png")
    write_weights(home / "w.safetensors", load(home / "tiny.cnn").initial_weights(0))
    done = cli(*words.split())
    assert done.code == 0, done.err
    told = [line.partition(": ")[2] for line in done.err.splitlines() if line.startswith("warning[W411]")]
    assert len(told) == len(says) and all(x in line for x, line in zip(says, told, strict=True)), told


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("train tiny.cnn epochs=3", "epochs is an entry of train: train.epochs=3"),
        ("eval tiny.cnn batch=3", "batch is an entry of eval: eval.batch=3"),
        ("show tiny.cnn epochs=3", "epochs is an entry of train, which this command does not read"),
        ("restore one.png steps=3", "steps is an entry of task: task.steps=3"),
        ("train tiny.cnn width=3", "it has classes"),
    ],
)
def test_an_entry_without_its_recipe_is_told_how_it_is_set(cli: Any, home: Path, words: str, says: str) -> None:
    done = cli(*words.split())
    assert done.code == 1
    assert done.err.endswith(f" = help: {says}\n")


def head(**changes: Any) -> str:
    known = {"epochs": 2, "steps_per_epoch": 5, "batch": 4, "images": 20, "validation_images": 0, "resumed": None}
    return started(Started("tiny", Path("runs/tiny/1"), **(known | changes)))


def test_the_head_tells_steps_where_they_are_asked_for() -> None:
    assert head() == "training tiny on 20 images, 2 epochs of 5 steps, into runs/tiny/1\n"
    assert head(epochs=1, steps=3) == "training tiny on 20 images, 3 steps (5 an epoch), into runs/tiny/1\n"


def test_the_head_tells_of_many_images_left_out() -> None:
    line = "each epoch leaves out 4 images, others each time: they fill no batch of 16\n"
    assert head(batch=16, steps_per_epoch=1).endswith(f"\n{line}")
    assert "leaves out" not in head(images=21)


def test_one_option_of_the_optimizer(cli: Any, home: Path) -> None:
    (home / "tiny.cnn").write_text(TINY.replace("rate = 0.1", "rate = 0.1, momentum = 0.9"))
    assert cli("train", *GIVEN, "train.optimizer.rate=0.05").code == 0
    assert "optimizer = sgd(rate = 0.05, momentum = 0.9)" in (home / "runs/tiny/1/recipe.txt").read_text()
    assert "is finished" in cli("train", "tiny.cnn", "--resume").out
    other = cli("train", "tiny.cnn", "--resume", "train.optimizer=sgd(rate = 0.2)")  # all of it, and not what it was begun with
    assert "optimizer was sgd(rate = 0.05, momentum = 0.9), is sgd(rate = 0.2)" in other.err
