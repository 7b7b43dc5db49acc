"""The epochs of a run as CSV. (As a picture: `cnndsl.view.plots`.)"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from cnndsl.training.records import Row


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """All rows, under the names of their fields; an empty cell where there is no number. Raises OSError."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([f.name for f in fields(Row)])
    writer.writerows([["" if v is None else v for v in asdict(row).values()] for row in rows])
    path.write_text(out.getvalue(), encoding="utf-8")
