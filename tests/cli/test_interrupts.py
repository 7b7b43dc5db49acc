"""Ctrl-C, once, twice and in a hurry: a word at once, exit code 130, whole files, no traceback."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnndsl.cli.progress import STOPPING, Progress
from cnndsl.runtime.safetensors import read_weights
from cnndsl.training import checkpoint
from cnndsl.training.interrupts import interrupts
from cnndsl.training.records import Stopping

ROOT = Path(__file__).parents[2]
TINY = """model tiny {
    input image: 16x16x1
    conv(8, 3x3) -> relu
    flatten
    dense(2) as logits
    softmax
}
train {
    loss = cross_entropy(logits)
    optimizer = sgd(rate = 0.01)
    batch = 8
    epochs = 100000
}
"""
COMMAND = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from cnndsl.__main__ import main; sys.argv = ['cnndsl', *sys.argv[1:]]; main()"
)
"""As a terminal starts it: what runs the tests may ignore Ctrl-C."""


@pytest.mark.parametrize("times", [1, 3, 30])
def test_a_training_is_interrupted(tmp_path: Path, times: int) -> None:
    (tmp_path / "tiny.cnn").write_text(TINY)
    images = np.random.default_rng(0).integers(0, 256, (64, 16, 16, 1)).astype(np.uint8)
    np.savez(tmp_path / "set.npz", images=images, labels=np.arange(64) % 2)
    words = [sys.executable, "-c", COMMAND, "train", "tiny.cnn", "--data", "set.npz", "--threads", "1"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "MPLCONFIGDIR": str(tmp_path)}
    running = subprocess.Popen(
        words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    assert running.stdout is not None
    for line in running.stdout:
        if line.startswith("    2 "):
            break
    for _ in range(times):
        running.send_signal(signal.SIGINT)
        if times < 10:
            time.sleep(0.01)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert err == f"{STOPPING}\n" if times == 1 else err in ("", f"{STOPPING}\n")
    run = tmp_path / "runs" / "tiny" / "1"
    assert not list(run.rglob(".*")), "something was left half written"
    at, state = checkpoint.load(run)
    assert at.step >= 12
    assert state["conv.weight"].shape == (3, 3, 1, 8)
    if times == 1:
        assert "to go on: cnndsl train tiny.cnn --resume\n" in out
        assert read_weights(run / "weights.safetensors").keys() >= {"conv.weight"}


def raised(times: int) -> None:
    for _ in range(times):
        signal.raise_signal(signal.SIGINT)


def test_the_first_asks_the_second_ends_more_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    with interrupts(lambda: told.append(threading.current_thread().name)) as asked:
        assert not asked.is_set()
        raised(1)
        assert asked.is_set()
        with pytest.raises(KeyboardInterrupt):
            raised(1)
        raised(3)  # while what is open is being closed
        monkeypatch.setattr("cnndsl.training.interrupts.AGAIN", 0.0)  # it takes too long
        with pytest.raises(KeyboardInterrupt):
            raised(1)
    assert told == ["interrupts"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_is_being_saved_is_saved() -> None:
    with interrupts() as asked:
        raised(1)
        asked.saving = True
        raised(3)


def test_without_ctrl_c_nothing_is_told() -> None:
    told: list[int] = []
    with interrupts(lambda: told.append(1)):
        pass
    assert not told


def test_who_cannot_be_told_does_not_matter() -> None:
    def tell() -> None:
        raise BrokenPipeError

    with interrupts(tell) as asked:
        raised(1)
    assert asked.is_set()


@pytest.mark.parametrize("moving", [False, True])
def test_it_is_told_in_one_line(moving: bool, capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    with Progress(out, moving) as progress:
        progress(Stopping())
    said: Any = out.getvalue() if moving else capsys.readouterr().err
    assert said.count(STOPPING) == 1 and f"{STOPPING}\n" in said


def test_what_hangs_on_its_way_out_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    from cnndsl import __main__ as start

    left: list[int] = []
    monkeypatch.setattr(start.os, "_exit", left.append)
    leaving = start.Leaving()
    with pytest.raises(KeyboardInterrupt):
        leaving.on_interrupt(signal.SIGINT, None)
    leaving.on_interrupt(signal.SIGINT, None)
    assert not left
    monkeypatch.setattr(start, "AGAIN", 0.0)
    leaving.on_interrupt(signal.SIGINT, None)
    assert left == [130]


def test_before_the_first_step_nothing_was_changed(tmp_path: Path) -> None:
    """While the data are opened, a word is said; the exit code stays that of Ctrl-C."""
    (tmp_path / "tiny.cnn").write_text(TINY)
    early = COMMAND + "\n"
    early = early.replace(
        "main()\n",
        "from cnndsl.data import datasets; datasets.open = lambda *a, **k: signal.raise_signal(signal.SIGINT); main()",
    )
    words = [sys.executable, "-c", early, "train", "tiny.cnn", "--data", "set.npz"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "MPLCONFIGDIR": str(tmp_path)}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "\nstopped before the first step: nothing was changed\n"
    assert not (tmp_path / "runs").exists()
