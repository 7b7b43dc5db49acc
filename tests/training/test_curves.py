"""The epochs of a run as CSV."""

from __future__ import annotations

from pathlib import Path

from cnndsl.training import curves
from cnndsl.training.records import Row

ROWS = [Row(e, 10 * e, 0.1, 1 / e, 0.5, None, 0.25 * e, 1.5 * e) for e in range(1, 6)]


def test_csv(tmp_path: Path) -> None:
    curves.write_csv(tmp_path / "log.csv", ROWS)
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[0] == "epoch,step,rate,loss,accuracy,validation_loss,validation_accuracy,seconds"
    assert lines[2] == "2,20,0.1,0.5,0.5,,0.5,3.0"
    assert len(lines) == 6
