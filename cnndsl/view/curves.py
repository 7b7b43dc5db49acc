"""The curve of a training; those of several in one picture: what another activation, a norm or a shortcut changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnndsl.view.plots import Epoch, Few, Points, empty, plain, save

MOST = 10
"""Lines in one picture: so many colours can be told apart."""
PANELS = ("loss", "accuracy in %")
BELOW = ("rate", "gradient's length")
LARGEST = 1e30
"""What an axis can hold: beyond it, and beyond one over it on an axis of powers, nothing is drawn."""
Runs = Mapping[str, Sequence[Sequence[Epoch]]]
"""Name → the runs that it stands for, each with its epochs: one run is a line, several are their mean with a band."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a run did over its epochs, in training or in validation; of several runs their mean.

    band: (epoch, smallest, largest) of several runs. Where some end before others, mean and band are of those that go on; an
    epoch is left out in which one of them has no number.
    """

    run: str
    validation: bool
    points: Points
    band: tuple[tuple[float, float, float], ...] = ()


def curve_lines(runs: Runs) -> dict[str, list[Line]]:
    """`loss` and, where something is classified, `accuracy in %`: all lines, without numbers that no axis holds."""
    found: dict[str, list[Line]] = {what: [] for what in PANELS}
    for name, several in runs.items():
        losses = [[(e.epoch, e.loss) for e in epochs] for epochs in several]
        accuracies = [[(e.epoch, e.accuracy) for e in epochs] for epochs in several]
        held_losses = [[(e.epoch, e.validation_loss) for e in epochs] for epochs in several]
        held = [[(e.epoch, e.validation_accuracy) for e in epochs] for epochs in several]
        found["loss"] += [_line(name, False, losses), _line(name, True, held_losses)]
        found["accuracy in %"] += [_line(name, False, accuracies, 100), _line(name, True, held, 100)]
    return {what: there for what, lines in found.items() if (there := [x for x in lines if x.points])}


def _line(name: str, validation: bool, several: Sequence[Sequence[tuple[float, float | None]]], by: float = 1) -> Line:
    series = [_finite(points, by) for points in several]
    if len(series) == 1:
        return Line(name, validation, series[0])
    tables = [(max((x for x, _ in points), default=0), dict(own)) for points, own in zip(several, series, strict=True)]
    there = sorted({x for _, table in tables for x in table})
    going = {x: [table for end, table in tables if x <= end] for x in there}
    shared = [x for x in there if all(x in table for table in going[x])]
    values = [[table[x] for table in going[x]] for x in shared]
    means = [(x, sum(y) / len(y)) for x, y in zip(shared, values, strict=True)]
    return Line(name, validation, means, tuple((x, min(y), max(y)) for x, y in zip(shared, values, strict=True)))


def step_points(steps: Sequence[Few]) -> dict[str, Points]:
    """The same of means over a few steps each, and `rate` and `gradient's length`: name → (epochs, value)."""
    found = {
        "loss": _finite([(x.epoch, x.loss) for x in steps]),
        "accuracy in %": _finite([(x.epoch, x.accuracy) for x in steps], 100),
        "rate": _finite([(x.epoch, x.rate) for x in steps]),
        "gradient's length": _finite([(x.epoch, x.gradient_norm) for x in steps]),
    }
    return {what: points for what, points in found.items() if points}


def _finite(points: Sequence[tuple[float, float | None]], by: float = 1) -> Points:
    return [(x, by * y) for x, y in points if y is not None and abs(y) < LARGEST]


def loss_curve(history: Sequence[Epoch], paths: Path | Sequence[Path], title: str = "", steps: Sequence[Few] = ()) -> None:
    """Write loss, and accuracy where there is one, over the epochs to `paths` (their endings say the format), files of a run.

    steps: means over a few steps each, drawn thin behind; below stand the rate and the gradient's length. Raises OSError.
    """
    lines, thin = curve_lines({"": [history]}), step_points(steps)
    upper = [what for what in PANELS if what in lines or what in thin]
    rows = [row for row in (upper, [what for what in BELOW if what in thin]) if row]
    figure = empty(4.8 * max(1, *map(len, rows), 0), 3.6 + 1.9 * (len(rows) > 1))
    grid = figure.add_gridspec(max(1, len(rows)), 2, height_ratios=(3.6, 1.9)[: max(1, len(rows))])
    for k, row in enumerate(rows):
        for i, what in enumerate(row):
            axes = figure.add_subplot(grid[k, i] if len(row) == 2 else grid[k, :])
            _panel(axes, what, lines.get(what, ()), thin.get(what, []))
    if title:
        figure.suptitle(plain(title, 80))
    save(figure, paths, follow=False)


def _panel(axes: Any, what: str, lines: Sequence[Line], thin: Points) -> None:
    """One quantity over the epochs, that of the steps thin behind; alone where it is not told of epochs."""
    if thin:
        own = {"color": "C0", "alpha": 0.35, "linewidth": 0.8} if what in PANELS else {"color": "C2"}
        axes.plot([x for x, _ in thin], [y for _, y in thin], **own)
    for line in lines:
        axes.plot(
            [x for x, _ in line.points],
            [y for _, y in line.points],
            color="C1" if line.validation else "C0",
            marker="o" if len(line.points) == 1 else "",
            label="validation" if line.validation else "training",
        )
    axes.set(xlabel="epoch", ylabel=what)
    if what in ("loss", *BELOW[1:]) and on_powers([*lines, Line("", False, thin)]):
        axes.set_yscale("log")
    axes.grid(alpha=0.3)
    if lines:
        axes.legend(frameon=False)


def _without_leaps(axes: Any, lines: Sequence[Line]) -> None:
    """A validation loss far beyond all others, before a batch norm's running statistics have settled, leaves the picture."""
    trained = [y for line in lines if not line.validation for _, y in line.points]
    if trained and axes.get_ylim()[1] > 10 * max(trained):
        axes.set_ylim(top=10 * max(trained))


def on_powers(lines: Sequence[Line]) -> bool:
    """Whether an axis of powers holds them all."""
    return all(y > 1 / LARGEST for line in lines for _, y, *_ in (*line.points, *line.band))


def curves_picture(runs: Runs, path: Path, title: str = "", reach: float | None = None, only: str = "") -> None:
    """Write loss and accuracy of `runs` to `path`: a colour for each name, validation bold, training dashed; of several runs
    their mean, with a band from the smallest to the largest. reach: an accuracy in % that a line marks. only: `training` or
    `validation`.
    """
    wanted = {"training": (False,), "validation": (True,)}.get(only, (False, True))
    panels = {what: [x for x in lines if x.validation in wanted] for what, lines in curve_lines(runs).items()}
    panels = {what: lines for what, lines in panels.items() if lines}
    figure = empty(5.2 * max(1, len(panels)), 4.2)
    engine: Any = figure.get_layout_engine()
    engine.set(wspace=0.05)
    colours = {name: f"C{k}" for k, name in enumerate(runs)}
    handles: dict[str, Any] = {}
    for k, (what, lines) in enumerate(panels.items()):
        axes = figure.add_subplot(1, len(panels), k + 1)
        for line in lines:
            (drawn,) = axes.plot(
                [x for x, _ in line.points],
                [y for _, y in line.points],
                color=colours[line.run],
                linestyle="-" if line.validation or only else "--",
                linewidth=2.0 if line.validation or only else 1.1,
                marker="o" if len(line.points) == 1 else "",
            )
            if line.band:
                x, low, high = zip(*line.band, strict=True)
                axes.fill_between(x, low, high, color=colours[line.run], alpha=0.2, linewidth=0)
            handles.setdefault(line.run, drawn)
            if line.validation:
                handles[line.run] = drawn
        if reach is not None and what != "loss":
            axes.axhline(reach, color="0.4", linewidth=0.8, linestyle=":")
        axes.set(xlabel="epoch", ylabel=what)
        if what == "loss" and on_powers(lines):
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
            _without_leaps(axes, lines)
        axes.locator_params(axis="x", integer=True)
        axes.grid(alpha=0.3, which="both")
    kinds = {line.validation for lines in panels.values() for line in lines}
    how = [what for held, what in ((False, "training dashed"), (True, "validation bold")) if held in kinds]
    how = [f"in {only}"] if only else how
    if any(line.band for lines in panels.values() for line in lines):
        uneven = any(len({rows[-1].epoch for rows in several if rows}) > 1 for several in runs.values())
        how.append(f"mean of several runs{', as far as each goes' * uneven}, band from the smallest to the largest")
    if handles:
        figure.legend(
            list(handles.values()), [plain(name) for name in handles], loc="outside upper center",
            ncols=min(5, len(handles)), frameon=False, title=plain(title, 80) or None,
        )  # fmt: skip
    figure.supxlabel(", ".join(how), fontsize=9)
    save(figure, path)
