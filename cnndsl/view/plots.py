"""The door to matplotlib, which is imported when a picture is drawn (0.5 s) and needs no screen."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cnndsl.errors import printable
from cnndsl.whole import whole

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


class Few(Protocol):
    """A few steps of a training: what `cnndsl.training.records.Stretch` holds."""

    @property
    def epoch(self) -> float: ...
    @property
    def rate(self) -> float: ...
    @property
    def loss(self) -> float: ...
    @property
    def accuracy(self) -> float | None: ...
    @property
    def gradient_norm(self) -> float | None: ...


FORMATS = ("png", "svg", "pdf", "jpg")
"""Endings of the pictures that can be written everywhere; matplotlib's others ask for programs beside it."""
Points = list[tuple[float, float]]
GROUND = "#dce6f0"
"""The colour between small pictures: none of the greys that they are made of."""


def empty(width: float, height: float) -> Figure:
    """A figure of so many inches that needs no screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, paths: Path | Sequence[Path], follow: bool = True) -> None:
    """Written aside and renamed (`whole`), so that whoever watches a file never sees half a picture. Raises OSError."""
    for path in (paths,) if isinstance(paths, Path) else paths:
        with whole(path, follow) as aside, warnings.catch_warnings():  # a name may be written in letters that the font has not
            warnings.filterwarnings("ignore", r"Glyph \d+", UserWarning)
            figure.savefig(aside, dpi=120)


def plain(text: str, most: int = 40) -> str:
    """A name from outside as the text of a picture: escaped, no formula (`$`), not hidden (`_`), its middle cut where long."""
    text = printable(text)
    if len(text) > most:
        text = f"{text[: most // 2]}…{text[len(text) - most // 2 + 1 :]}"
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text
