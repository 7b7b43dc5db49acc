"""The curve of a training; those of several in one picture: what another activation, a norm or a shortcut changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnndsl.view.plots import Epoch, Points, empty, plain, save

MOST = 10
"""Runs in one picture: so many colours can be told apart."""
LARGEST = 1e30
"""What an axis can hold: beyond it, and beyond one over it on an axis of powers, nothing is drawn."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one run did over its epochs, in training or in validation."""

    run: str
    validation: bool
    points: Points


def curve_lines(runs: Mapping[str, Sequence[Epoch]]) -> dict[str, list[Line]]:
    """`loss` and, where something is classified, `accuracy in %`: all runs' lines, without numbers that no axis holds."""
    found: dict[str, list[Line]] = {"loss": [], "accuracy in %": []}
    for name, epochs in runs.items():
        losses = [(e.epoch, e.loss) for e in epochs]
        accuracies = [(e.epoch, e.accuracy) for e in epochs]
        held_losses = [(e.epoch, e.validation_loss) for e in epochs]
        held = [(e.epoch, e.validation_accuracy) for e in epochs]
        found["loss"] += [Line(name, False, _finite(losses)), Line(name, True, _finite(held_losses))]
        found["accuracy in %"] += [Line(name, False, _finite(accuracies, 100)), Line(name, True, _finite(held, 100))]
    return {what: there for what, lines in found.items() if (there := [x for x in lines if x.points])}


def _finite(points: Sequence[tuple[int, float | None]], by: float = 1) -> Points:
    return [(x, by * y) for x, y in points if y is not None and abs(y) < LARGEST]


def loss_curve(history: Sequence[Epoch], path: Path, title: str = "") -> None:
    """Write loss, and accuracy where there is one, over the epochs to `path` (its ending says the format)."""
    panels = curve_lines({"": history})
    figure = empty(4.8 * max(1, len(panels)), 3.6)
    for k, (what, lines) in enumerate(panels.items()):
        axes = figure.add_subplot(1, len(panels), k + 1)
        for line in lines:
            axes.plot(
                [x for x, _ in line.points],
                [y for _, y in line.points],
                marker="o" if len(line.points) == 1 else "",
                label="validation" if line.validation else "training",
            )
        axes.set(xlabel="epoch", ylabel=what)
        if what == "loss" and _on_powers(lines):
            axes.set_yscale("log")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    if title:
        figure.suptitle(plain(title, 80))
    save(figure, path)


def _on_powers(lines: Sequence[Line]) -> bool:
    """Whether an axis of powers holds them all."""
    return all(y > 1 / LARGEST for line in lines for _, y in line.points)


def curves_picture(runs: Mapping[str, Sequence[Epoch]], path: Path, title: str = "") -> None:
    """Write loss and accuracy of `runs`, name → epochs, to `path`: a colour each, validation bold, training dashed."""
    panels = curve_lines(runs)
    figure = empty(5.2 * max(1, len(panels)), 4.2)
    colours = {name: f"C{k}" for k, name in enumerate(runs)}
    handles: dict[str, Any] = {}
    for k, (what, lines) in enumerate(panels.items()):
        axes = figure.add_subplot(1, len(panels), k + 1)
        for line in lines:
            (drawn,) = axes.plot(
                [x for x, _ in line.points],
                [y for _, y in line.points],
                color=colours[line.run],
                linestyle="-" if line.validation else "--",
                linewidth=2.0 if line.validation else 1.1,
                marker="o" if len(line.points) == 1 else "",
            )
            handles.setdefault(line.run, drawn)
            if line.validation:
                handles[line.run] = drawn
        axes.set(xlabel="epoch", ylabel=what)
        if what == "loss" and _on_powers(lines):
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
        axes.locator_params(axis="x", integer=True)
        axes.grid(alpha=0.3, which="both")
    kinds = {line.validation for lines in panels.values() for line in lines}
    how = ", ".join(what for held, what in ((False, "training dashed"), (True, "validation bold")) if held in kinds)
    if handles:
        figure.legend(
            list(handles.values()), [plain(name) for name in handles], loc="outside upper center",
            ncols=min(5, len(handles)), frameon=False, title=plain(title, 80) or None,
        )  # fmt: skip
    figure.supxlabel(how, fontsize=9)
    save(figure, path)
