"""The epochs of a run as CSV, written and read. (As a picture: `cnndsl.view.curves`.)"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from cnndsl.errors import error
from cnndsl.training.records import Row


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """All rows, under the names of their fields; an empty cell where there is no number. Raises OSError."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([f.name for f in fields(Row)])
    writer.writerows([["" if v is None else v for v in asdict(row).values()] for row in rows])
    path.write_text(out.getvalue(), encoding="utf-8")


LARGEST = 16 << 20
"""Bytes of a log.csv: 100,000 epochs have ten million."""
MOST_EPOCHS = 1_000_000_000


def read_csv(path: Path) -> list[Row]:
    """The epochs of a run's `log.csv`, which may be a stranger's: numbers alone are taken from it.

    A number that is not finite is told as it is. Raises E702 where it is no such file.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as e:
        raise error("E702", f"{path} cannot be read: {e.strerror or e}") from None
    if len(data) > LARGEST:
        raise error("E702", f"{path} is too large for the log of a run")
    try:
        lines = list(csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise error("E702", f"{path} is no log of a run: it is no table of text") from None
    wanted = [f.name for f in fields(Row)]
    if not lines or not {"epoch", "loss"} <= set(lines[0]):
        raise error("E702", f"{path} is no log of a run: its first line names no epoch and loss", help=",".join(wanted))
    found = []
    for number, cells in enumerate(lines[1:], 2):
        try:
            told = {name: float(x) for name, x in zip(lines[0], cells, strict=True) if name in wanted and x}
            whole = {name: int(told.get(name, 0)) for name in ("epoch", "step")}
            if abs(whole["epoch"]) > MOST_EPOCHS:
                raise ValueError
            last = {name: told.get(name, 0.0) for name in ("rate", "seconds")}
            middle = {name: told.get(name) for name in ("accuracy", "validation_loss", "validation_accuracy")}
            found.append(Row(loss=told["loss"], **whole, **last, **middle))  # type: ignore[arg-type]
        except (ValueError, KeyError, OverflowError):
            raise error("E702", f"{path}, line {number}: there have to be numbers under epoch and loss") from None
    if not found:
        raise error("E702", f"{path} holds no epoch yet")
    return found
