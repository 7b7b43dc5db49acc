"""The door to matplotlib, which is imported when a picture is drawn (0.5 s) and needs no screen; the curve of a training."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cnndsl.errors import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Epoch(Protocol):
    """One epoch of a training: what `cnndsl.training.records.Row` holds."""

    @property
    def epoch(self) -> int: ...
    @property
    def loss(self) -> float: ...
    @property
    def accuracy(self) -> float | None: ...
    @property
    def validation_loss(self) -> float | None: ...
    @property
    def validation_accuracy(self) -> float | None: ...


FORMATS = ("png", "svg", "pdf", "jpg")
"""Endings of the pictures that can be written everywhere; matplotlib's others ask for programs beside it."""
Points = list[tuple[int, float]]
GROUND = "#dce6f0"
"""The colour between small pictures: none of the greys that they are made of."""


def loss_curve(history: Sequence[Epoch], path: Path, title: str = "") -> None:
    """Write loss, and accuracy where there is one, over the epochs to `path` (its ending says the format)."""
    losses: dict[str, Points] = {
        "training": [(row.epoch, row.loss) for row in history],
        "validation": [(row.epoch, row.validation_loss) for row in history if row.validation_loss is not None],
    }
    accuracies: dict[str, Points] = {
        "training": [(row.epoch, 100 * row.accuracy) for row in history if row.accuracy is not None],
        "validation": [(row.epoch, 100 * row.validation_accuracy) for row in history if row.validation_accuracy is not None],
    }
    panels = [("loss", losses)] + ([("accuracy in %", accuracies)] if any(accuracies.values()) else [])
    figure = empty(4.8 * len(panels), 3.6)
    for k, (what, lines) in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), k + 1)
        for label, points in lines.items():
            if points:
                marker = "o" if len(points) == 1 else ""
                axes.plot([x for x, _ in points], [y for _, y in points], marker=marker, label=label)
        axes.set_xlabel("epoch")
        axes.set_ylabel(what)
        if what == "loss" and all(y > 0 for points in lines.values() for _, y in points):
            axes.set_yscale("log")
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(frameon=False)
    if title:
        figure.suptitle(title)
    save(figure, path)


def empty(width: float, height: float) -> Figure:
    """A figure of so many inches that needs no screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Written aside and renamed, so that whoever watches the file never sees half a picture. Raises OSError."""
    aside = path.with_name(f".{path.name}.part{path.suffix}")
    try:
        with warnings.catch_warnings():  # a name may be written in letters that the font has not
            warnings.filterwarnings("ignore", r"Glyph \d+", UserWarning)
            figure.savefig(aside, dpi=120)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def plain(text: str, most: int = 40) -> str:
    """A name from outside as the text of a picture: escaped, no formula (`$`), not hidden (`_`), its middle cut where long."""
    text = printable(text)
    if len(text) > most:
        text = f"{text[: most // 2]}…{text[len(text) - most // 2 + 1 :]}"
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text
