"""`cnndsl restore` as typed: what it writes, says and refuses."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest

from cnndsl.data.photograph import read_photograph, save_photograph
from cnndsl.training.restore import Fitted
from tests.conftest import Cli
from tests.training.test_restore import PICTURE, TEXT


@pytest.fixture(name="place", autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.cnn").write_text(TEXT)
    save_photograph(tmp_path / "photo.png", PICTURE)
    known = np.ones(PICTURE.shape[:2], np.float32)
    known[3:6, 2:5] = 0
    save_photograph(tmp_path / "mask.png", known[:, :, None])
    return tmp_path


def test_denoising_writes_result_preview_course_and_log(cli: Cli, place: Path) -> None:
    done = cli(*["restore", "photo.png", "--model", "tiny.cnn", "--spoil", "task.steps=6", "--every", "3"])
    assert done.code == 0, done
    assert "before: 2" in done.out
    assert "(step 6):" in done.out
    run = place / "runs/tiny_denoise/1"
    assert {x.name for x in run.iterdir()} == {"before.png", "preview.png", "result.png", "course.png", "log.csv"}
    assert read_photograph(run / "result.png").shape == PICTURE.shape
    rows = (run / "log.csv").read_text().splitlines()
    assert [r.split(",")[0] for r in rows] == ["step", "1", "3", "6"]


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        ("--task inpaint --mask mask.png", (13, 10, 3)), ("--task inpaint --spoil", (13, 10, 3)),
        ("--task enlarge", (26, 20, 3)), ("--task enlarge --factor 4", (52, 40, 3)), ("--task enlarge --spoil", (12, 10, 3)),
    ],
)  # fmt: skip
def test_the_other_tasks(cli: Cli, place: Path, words: str, shape: tuple[int, ...]) -> None:
    done = cli(*f"restore photo.png --model tiny.cnn {words} task.steps=2".split())
    assert done.code == 0, done
    assert read_photograph(next(place.glob("runs/*/1/result.png"))).shape == shape


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("photo.png --task inpaint", "E770"), ("photo.png --task mend", "E770"), ("none.png", "E703"),
        ("photo.png --truth mask.png", "E706"), ("photo.png --task inpaint --mask photo.txt", "E703"),
        ("photo.png task.step=3", "E401"), ("photo.png train.steps=3", "E770"), ("photo.png --spoil --truth photo.png", "E770"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_error(cli: Cli, words: str, code: str) -> None:
    done = cli(*f"restore {words} --model tiny.cnn".split())
    assert done.code == 1
    assert f"error[{code}]" in done.err


def test_ctrl_c_is_answered_at_once_and_the_picture_is_kept(cli: Cli, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cnndsl.cli import restore

    row = restore.row

    def interrupted(e: Fitted) -> str:
        if e.step == 2:
            signal.raise_signal(signal.SIGINT)
        return row(e)

    monkeypatch.setattr(restore, "row", interrupted)
    done = cli(*["restore", "photo.png", "--model", "tiny.cnn", "--spoil", "task.steps=600", "--every", "2"])
    assert done.code == 0, done.err
    assert done.err == "stopping: this step is finished, then its picture is saved (Ctrl-C again: at once)\n"
    assert "stopped (step 3)" in done.out
    assert (place / "runs/tiny_denoise/1/result.png").is_file()
