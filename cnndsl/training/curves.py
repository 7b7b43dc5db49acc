"""The epochs of a run as CSV, and as a picture."""

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


def draw(path: Path, rows: Sequence[Row], title: str) -> None:
    """Loss and accuracy over the epochs, as a PNG. Raises OSError."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    epochs = [row.epoch for row in rows]
    marker = "o" if len(rows) < 20 else ""
    for axes, name in ((left, "loss"), (right, "accuracy")):
        for field, label, colour in ((name, "training", "#999999"), (f"validation_{name}", "validation", "#0b62a4")):
            values = [getattr(row, field) for row in rows]
            if any(v is not None for v in values):
                axes.plot(epochs, [float("nan") if v is None else v for v in values], label=label, color=colour, marker=marker)
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False)
    left.set_yscale("log")
    figure.suptitle(title)
    figure.savefig(path, dpi=110)
