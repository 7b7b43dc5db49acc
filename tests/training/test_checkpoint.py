"""Checkpoints: there whole or not at all."""

from __future__ import annotations

import json
import math
import resource
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cnndsl.errors import CnnError
from cnndsl.training import checkpoint
from cnndsl.training.checkpoint import Position
from cnndsl.training.records import Row
from cnndsl.training.sound import follows

STATE = {
    "a.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "step": np.array(7, np.int64),
    "b.bias": np.zeros(4, np.float32),
}
ROW = Row(1, 10, 0.1, 1 / 3, 0.5, None, None, 2.5)


def position(step: int = 7) -> Position:
    return Position(step, {"batch": "64"}, "digits", 0.1 + 0.2, 3, 9, 1.5, (ROW,))


def test_round_trip(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, position(), STATE)
    at, state = checkpoint.load(tmp_path)
    assert at == position()
    assert set(state) == set(STATE)
    for name, array in STATE.items():
        np.testing.assert_array_equal(state[name], array)
        assert state[name].dtype == array.dtype


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    for step in (0, 10, 5, 200, 1000):
        checkpoint.save(tmp_path, position(step), STATE)
    assert sorted(int(p.name) for p in (tmp_path / "checkpoints").iterdir()) == [200, 1000]
    assert checkpoint.load(tmp_path)[0].step == 1000


def test_incomplete_ones_do_not_count(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, position(3), STATE)
    (tmp_path / "checkpoints" / "0000000009").mkdir()
    aside = tmp_path / "checkpoints" / ".0000000011.99"
    aside.mkdir()
    assert checkpoint.load(tmp_path)[0].step == 3
    assert not aside.exists()


def test_nothing_to_load(tmp_path: Path) -> None:
    with pytest.raises(CnnError, match="no checkpoint") as e:
        checkpoint.load(tmp_path)
    assert e.value.code == "E709"


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"format": 1}', '{"format": 99}', "[" * 100_000, '{"format": 1, "version": 1, "history": 3}']
)
def test_a_damaged_record(tmp_path: Path, text: str) -> None:
    where = checkpoint.save(tmp_path, position(), STATE)
    (where / "checkpoint.json").write_text(text)
    with pytest.raises(CnnError, match="cannot be read") as e:
        checkpoint.load(tmp_path)
    assert e.value.code == "E710"


def test_numbers_that_are_none_come_back_where_training_writes_them(tmp_path: Path) -> None:
    judged = replace(ROW, validation_loss=math.nan, gradient_norm=math.inf)
    at = replace(position(), norms=math.inf, measured=2, history=(judged, replace(judged, validation_loss=math.inf)))
    checkpoint.save(tmp_path, at, STATE)
    found, _ = checkpoint.load(tmp_path)
    assert repr(found.history) == repr(at.history)  # NaN is not equal to itself
    assert found.norms == math.inf


def test_a_step_of_another_kind(tmp_path: Path) -> None:
    where = checkpoint.save(tmp_path, position(), STATE)
    said = json.loads((where / "checkpoint.json").read_text())
    others = [{"step": "seven"}, {"step": -5}, {"step": True}, {"step": said["step"] + 1}, {"loss": "1"}, {"seen": 10**400}]
    others += [{"seconds": -math.inf}, {"seconds": -1e308}, {"seconds": 1e308}, {"seconds": math.nan}, {"norms": -1.0}]
    others += [
        {"right": math.inf},
        {"right": -1},
        {"right": 10},
        {"loss": -1e308},
        {"loss": math.nan},
        {"seen": 0},
        {"norms": 1.0},
    ]
    rows = [{"loss": math.inf}, {"loss": -1e308}, {"accuracy": 1.1}, {"accuracy": math.nan}, {"validation_accuracy": -0.1}]
    rows += [{"seconds": -1.0}, {"rate": -0.1}, {"rate": math.inf}, {"gradient_norm": -1.0}, {"validation_loss": -1e308}]
    rows += [{"step": -1}, {"step": True}, {"epoch": 1.5}]
    others += [{"history": [{**row, **x} for row in said["history"]]} for x in rows]
    others += [{"right": None}, {"norms": [1]}, {"data": 3}, {"history": [{**row, "epoch": "x"} for row in said["history"]]}]
    for other in others:
        (where / "checkpoint.json").write_text(json.dumps(said | other))
        with pytest.raises(CnnError, match="cannot be read") as e:
            checkpoint.load(tmp_path)
        assert e.value.code == "E710"


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file may grow beyond 64 KB: what a full disk looks like to a writer."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_leaves_the_last_one_intact(tmp_path: Path) -> None:
    kept = checkpoint.save(tmp_path, position(3), STATE)
    large = {**STATE, "c.weight": np.zeros(100_000, np.float32)}
    with pytest.raises(CnnError, match="cannot be written") as e:
        checkpoint.save(tmp_path, position(9), large)
    assert e.value.code == "E708"
    assert str(kept) in str(e.value)
    assert checkpoint.load(tmp_path)[0].step == 3
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == [kept.name]


def test_an_unwritable_place(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("a file where a folder should be")
    with pytest.raises(CnnError, match="there is no checkpoint yet"):
        checkpoint.save(tmp_path, position(), STATE)
    with pytest.raises(CnnError, match="cannot be written"):
        checkpoint.new_run(tmp_path / "checkpoints", "lenet5")


def test_state_of_another_model() -> None:
    one, run = {"a.weight": STATE["a.weight"]}, Path("runs/net/1")
    with pytest.raises(CnnError, match=r"missing: b\.bias"):
        checkpoint.fitting(one, {**one, "b.bias": STATE["b.bias"]}, run, "net")
    with pytest.raises(CnnError, match=r"a\.weight has shape 3, the model needs 2x3"):
        checkpoint.fitting({"a.weight": np.zeros(3)}, one, run, "net")
    with pytest.raises(CnnError, match=r"runs/net/1: .*\n.*left over: step, b\.bias"):
        checkpoint.fitting(STATE, one, run, "net")
    checkpoint.fitting(STATE, dict(STATE), run, "net")


def test_runs_are_numbered(tmp_path: Path) -> None:
    assert checkpoint.runs_of("net", tmp_path) == []
    assert [checkpoint.new_run(tmp_path, "net").name for _ in range(11)] == [str(n) for n in range(1, 12)]
    assert checkpoint.runs_of("net", tmp_path) == [tmp_path / "net" / str(n) for n in range(1, 12)]
    assert checkpoint.new_run(tmp_path, "../../etc").parent.parent == tmp_path


FIRST, SECOND = Row(1, 4, 0.1, 0.5, 0.5, None, None, 2.0), Row(2, 8, 0.1, 0.4, 0.6, None, None, 4.0)
AT = Position(8, {}, "", seconds=4.0, history=(FIRST, SECOND))  # two epochs of four steps
PARTLY = replace(AT, step=6, loss=3.0, right=5, seen=32, history=(FIRST,))
SHORT = replace(SECOND, step=6)  # of a run that ended by its number of steps, and went on


@pytest.mark.parametrize(
    "at",
    [
        Position(0, {}, ""),
        AT,
        PARTLY,
        replace(PARTLY, norms=1.0, measured=2),
        replace(AT, step=6, history=(FIRST, SHORT)),
        replace(AT, step=7, loss=3.0, right=5, seen=16, history=(FIRST, SHORT)),
        replace(AT, history=(FIRST, SHORT, SECOND)),
    ],
)
def test_where_a_run_can_stand(at: Position) -> None:
    assert follows(at, 4, 16)


@pytest.mark.parametrize(
    "at",
    [
        replace(AT, history=()),
        replace(AT, history=(SECOND,)),
        replace(AT, history=(SECOND, SECOND)),
        replace(AT, history=(FIRST, FIRST, SECOND)),
        replace(AT, history=(SECOND, FIRST)),
        replace(AT, history=(FIRST, replace(SECOND, epoch=3))),
        replace(AT, history=(FIRST, SHORT)),
        replace(AT, history=(replace(FIRST, step=0, epoch=0), FIRST, SECOND)),
        replace(AT, history=(FIRST, SECOND, replace(SECOND, epoch=3, step=9))),
        replace(AT, seen=16),
        replace(AT, seconds=3.0),
        replace(AT, history=(replace(FIRST, seconds=5.0), SECOND)),
        replace(PARTLY, seen=31),
        replace(PARTLY, seen=0, loss=0.0, right=0),
        replace(PARTLY, measured=3),
    ],
)
def test_where_no_run_can_stand(at: Position) -> None:
    assert not follows(at, 4, 16)
