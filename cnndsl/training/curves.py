"""The epochs of a run, and its steps, as CSV: written and read. (As a picture: `cnndsl.view.curves`.)"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from cnndsl.errors import error
from cnndsl.regular import TooLargeError, read_bounded
from cnndsl.training.records import Row, Stretch
from cnndsl.whole import whole


def write_csv(path: Path, rows: Sequence[Row] | Sequence[Stretch], kind: type[Row] | type[Stretch] = Row) -> None:
    """All rows, under the names of their fields; an empty cell where there is no number. Replaced whole, a link
    too. Raises OSError."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([f.name for f in fields(kind)])
    writer.writerows([["" if v is None else v for v in asdict(row).values()] for row in rows])
    with whole(path, follow=False) as aside:
        aside.write_text(out.getvalue(), encoding="utf-8")


LARGEST = 16 << 20
"""Bytes of a log.csv: 100,000 epochs have ten million."""
MOST_EPOCHS = 1_000_000_000


def read_csv(path: Path) -> list[Row]:
    """The epochs of a run's `log.csv`, which may be a stranger's: numbers alone are taken from it.

    A number that is not finite is told as it is. Raises E702 where it is no such file, or holds no epoch yet.
    """
    found = _read(path, Row)
    if not found:
        raise error("E702", f"{path} holds no epoch yet")
    return found


def read_steps(path: Path) -> list[Stretch]:
    """The same of its `steps.csv`, which may be empty."""
    return _read(path, Stretch)


Kind = TypeVar("Kind", Row, Stretch)


def _read(path: Path, kind: type[Kind]) -> list[Kind]:
    try:
        data = read_bounded(path, LARGEST)
    except TooLargeError:
        raise error("E702", f"{path} is too large for the log of a run") from None
    except OSError as e:
        raise error("E702", f"{path} cannot be read: {e.strerror or e}") from None
    try:
        lines = list(csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise error("E702", f"{path} is no log of a run: it is no table of text") from None
    types = {f.name: str(f.type) for f in fields(kind)}
    if not lines or not {"epoch", "loss"} <= set(lines[0]):
        raise error("E702", f"{path} is no log of a run: its first line names no epoch and loss", help=",".join(types))
    found = []
    for number, cells in enumerate(lines[1:], 2):
        try:
            told = {name: float(x) for name, x in zip(lines[0], cells, strict=True) if name in types and x}
            if not abs(told.get("epoch", 0.0)) <= MOST_EPOCHS:
                raise ValueError
            found.append(kind(**{name: _number(told, name, type_) for name, type_ in types.items()}))
        except (ValueError, KeyError, OverflowError):
            raise error("E702", f"{path}, line {number}: there have to be numbers under epoch and loss") from None
    return found


def _number(told: dict[str, float], name: str, type_: str) -> Any:
    """That number as its field has it: None where the cell is empty and may be, else 0. KeyError for a missing loss."""
    if name == "loss":
        return told[name]
    if type_ == "int":
        return int(told.get(name, 0))
    return told.get(name, 0.0 if type_ == "float" else None)
