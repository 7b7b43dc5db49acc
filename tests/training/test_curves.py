"""The epochs and the steps of a run as CSV."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnndsl.errors import CnnError
from cnndsl.training import curves
from cnndsl.training.records import Row, Stretch

ROWS = [Row(e, 10 * e, 0.1, 1 / e, 0.5, None, 0.25 * e, 1.5 * e) for e in range(1, 6)]


def test_csv(tmp_path: Path) -> None:
    curves.write_csv(tmp_path / "log.csv", ROWS)
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[0] == "epoch,step,rate,loss,accuracy,validation_loss,validation_accuracy,seconds,gradient_norm"
    assert lines[2] == "2,20,0.1,0.5,0.5,,0.5,3.0,"
    assert len(lines) == 6
    assert curves.read_csv(tmp_path / "log.csv") == ROWS
    assert [x.name for x in tmp_path.iterdir()] == ["log.csv"]


def test_steps(tmp_path: Path) -> None:
    rows = [Stretch(5, 0.25, 0.1, 2.5, None, 1.5), Stretch(10, 0.5, 0.05, float("nan"), 0.5)]
    curves.write_csv(tmp_path / "steps.csv", rows, Stretch)
    assert (tmp_path / "steps.csv").read_text().splitlines()[1] == "5,0.25,0.1,2.5,,1.5"
    first, second = curves.read_steps(tmp_path / "steps.csv")
    assert (first, second.step, second.accuracy, second.gradient_norm) == (rows[0], 10, 0.5, None)
    assert second.loss != second.loss
    curves.write_csv(tmp_path / "steps.csv", [], Stretch)
    assert curves.read_steps(tmp_path / "steps.csv") == []


@pytest.mark.parametrize("row", ["1e30,1e30,1,1,,", "1,nan,1,1,,", "1,1,1,,,", "1,1"])
def test_steps_of_a_stranger(tmp_path: Path, row: str) -> None:
    path = tmp_path / "steps.csv"
    path.write_text(f"step,epoch,rate,loss,accuracy,gradient_norm\n{row}\n")
    with pytest.raises(CnnError, match="line 2"):
        curves.read_steps(path)
