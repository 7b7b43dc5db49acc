"""The curves of a run while it runs: what is written when, and what a resumption keeps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cnndsl.training import curves, live
from cnndsl.training.checkpoint import Position
from cnndsl.training.live import Live
from cnndsl.training.records import Row, Stretch


class Clock:
    """Seconds that a test moves on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture(name="clock")
def _clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(live, "time", clock)
    return clock


def started(folder: Path, steps: int, step: int = 0) -> tuple[Live, list[Any]]:
    told: list[Any] = []
    return Live(folder, "net on data", steps, 1000, Position(step, {}, ""), told.append), told


def row(epoch: int) -> Row:
    return Row(epoch, 1000 * epoch, 0.1, 1.0 / epoch, 0.5, None, None, 60.0 * epoch)


def test_means_over_a_few_steps(tmp_path: Path) -> None:
    run, told = started(tmp_path, 2 * live.STRETCHES)
    run.step(1, 0.2, 3.0, 4, 10, 1.0)
    run.step(2, 0.1, 1.0, 8, 10, 2.0)
    run.step(3, 0.1, 5.0, None, 10, None)
    run.step(4, 0.1, 5.0, 9, 30, 2.0)
    assert told == [Stretch(2, 0.002, 0.1, 2.0, 0.6, 1.5), Stretch(4, 0.004, 0.1, 5.0, None, None)]
    assert not list(tmp_path.iterdir())
    run.write()
    assert curves.read_steps(tmp_path / "steps.csv") == told


def test_at_most_so_many_rows(tmp_path: Path) -> None:
    run, told = started(tmp_path, 12_345)
    for k in range(1, 12_346):
        run.step(k, 0.1, 1.0, None, 1, None)
    assert 0.9 * live.STRETCHES < len(told) <= live.STRETCHES


def test_tables_follow_and_pictures_stay_cheap(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[float] = []

    def draw(self: Live) -> None:
        drawn.append(clock.now - 1000)
        self.next = 4.0
        self.drawing += self.next

    monkeypatch.setattr(Live, "draw", draw)
    run, _ = started(tmp_path, 100)
    run.step(1, 0.1, 1.0, None, 1, None)
    assert not (tmp_path / "steps.csv").exists()
    clock.now += live.PAUSE + 1
    run.step(2, 0.1, 1.0, None, 1, None)
    assert len(curves.read_steps(tmp_path / "steps.csv")) == 2  # within the first epoch: there is no log.csv yet
    assert not (tmp_path / "log.csv").exists() and not drawn
    for epoch in range(1, 61):
        clock.now += 20
        run.epoch([row(e) for e in range(1, epoch + 1)])
        assert len(curves.read_csv(tmp_path / "log.csv")) == epoch
        assert 4.0 * len(drawn) <= live.SHARE * (clock.now - 1000) + 4.0
    assert drawn[0] == pytest.approx(live.FIRST / live.SHARE, abs=20)
    assert len(drawn) > 4


def test_a_resumed_run_keeps_what_was_before(tmp_path: Path) -> None:
    run, _ = started(tmp_path, 100)
    for k in range(1, 11):
        run.step(k, 0.1, float(k), None, 1, None)
    run.write()
    again, told = started(tmp_path, 100, 6)
    again.step(7, 0.1, 0.5, None, 1, None)
    again.write()
    assert [x.loss for x in curves.read_steps(tmp_path / "steps.csv")] == [1, 2, 3, 4, 5, 6, 0.5]
    assert len(told) == 1
    (tmp_path / "steps.csv").write_text("nothing of ours")
    assert started(tmp_path, 100, 6)[0].stretches == []


def test_pictures_are_written_whole(tmp_path: Path) -> None:
    run, _ = started(tmp_path, 100)
    run.draw()
    assert not list(tmp_path.iterdir())  # nothing is known yet
    run.step(1, 0.1, 1.0, 1, 1, 2.0)
    run.draw()
    assert sorted(x.name for x in tmp_path.iterdir()) == ["loss.png", "loss.svg"]
    assert "gradient's length" in (tmp_path / "loss.svg").read_text()
    assert run.drawing > 0


def test_a_training_begins_without_matplotlib() -> None:
    code = "import sys, cnndsl.training.loop, cnndsl.cli.train, cnndsl.cli.watch; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
