"""The logs of trainings that `cnndsl plot curves` names: found, grouped under their names, and told as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnndsl.training.records import Row

MOST_ENDS = 5
"""Epochs at which runs of one name end that are told one by one."""
MOST_RUNS = 1_000
"""Runs in one picture, whatever they are called."""


def histories(words: Sequence[str]) -> dict[str, list[list[Row]]]:
    """Name → runs → epochs, for each word: `NAME=RUN` or `RUN`.

    RUN is a run's folder, its log.csv, a model with a run here, or a folder of numbered runs, which stands for all of them.
    Runs of one NAME stand together. Raises E770, E702.
    """
    from cnndsl.training.curves import read_csv

    return {name: [read_csv(path) for path in logs] for name, logs in named(words).items()}


def named(words: Sequence[str]) -> dict[str, list[Path]]:
    """The same, unread: name → the log.csv of each of its runs; in its first epoch a run has only the steps.csv beside it."""
    from cnndsl.errors import error

    given = [("", x) if Path(x).exists() or "=" not in x else tuple(x.split("=", 1)) for x in words]
    logs = [(name, logs_of(run)) for name, run in given]
    count = sum(len(paths) for _, paths in logs)
    if count > MOST_RUNS:
        raise error("E770", f"{count:,} runs are too many: at most {MOST_RUNS:,} are read")
    own = [_label(paths[0]) for name, paths in logs if not name]
    found: dict[str, list[Path]] = {}
    known = {name for name, _ in logs if name}
    for name, paths in logs:
        label = name or _label(paths[0])
        if not name and own.count(label) > 1 and paths[0].absolute().parent.name.isdecimal():
            label = f"{label} {paths[0].absolute().parent.name}"
        if (label in found and not name) or (not name and label in known):
            raise error("E770", f"two lines have one name: {label}", help="name them: ReLU=runs/a/1 tanh=runs/b/1")
        found.setdefault(label, []).extend(paths)
    return found


def _label(log: Path) -> str:
    """The model of a run, runs/MODEL/NUMBER; the name of another folder."""
    folder = log.absolute().parent
    return folder.parent.name if folder.name.isdecimal() else folder.name


def logs_of(run: str) -> list[Path]:
    """Where the log.csv of that run is, or those of the numbered runs in that folder. E770 where there is none."""
    from cnndsl.errors import error
    from cnndsl.training.checkpoint import runs_of
    from cnndsl.training.origin import newest

    folder = Path(run)
    if folder.is_file() and folder.suffix != ".cnn":
        return [folder]
    if not folder.is_dir():
        trained = {name: found for name in _models(run) if (found := newest(runs_of(name), _file(run)))}
        if len(trained) > 1:
            means = f"{run}:{min(trained)}"
            raise error(
                "E770", f"{run} has several models with runs here: {', '.join(sorted(trained))}", help=f"say which: {means}"
            )
        if not trained:
            raise error("E770", f"there is no run {run}", help="name its folder, as runs/lenet5/1, or a model trained here")
        (folder,) = trained.values()
    if any((folder / name).is_file() for name in ("log.csv", "steps.csv")):
        return [folder / "log.csv"]
    inside = sorted((x for x in folder.iterdir() if x.name.isdecimal()), key=lambda x: (int(x.name), x.name))
    there = [x / "log.csv" for x in inside if (x / "log.csv").is_file()]
    if not there:
        raise error("E770", f"{folder} holds no log.csv", help="cnndsl train leaves one in runs/MODEL/NUMBER")
    return there


def _file(spec: str) -> str:
    """The file that it names, as runs record theirs; empty where it names none."""
    from cnndsl.errors import CnnError
    from cnndsl.language.load import locate
    from cnndsl.training.origin import file_of

    try:
        return file_of(locate(spec)[0])
    except CnnError:
        return ""


def _models(spec: str) -> list[str]:
    """The models that it may mean, as `train` takes it. A file that is gone stands for the model that is called as it was."""
    from cnndsl.errors import CnnError
    from cnndsl.language.load import models_of

    try:
        return models_of(spec)
    except CnnError:
        name = Path(spec).stem if spec.endswith(".cnn") else spec
        return [name] if "/" not in name else []


def table(runs: Mapping[str, Sequence[Sequence[Row]]], reach: float | None = None) -> str:
    """A row for each name: where its runs end; of several the mean and, behind ±, the standard deviation.

    reach: an accuracy in training, in %; the last column is then the first epoch that has it. Below stands of how many runs a
    line is the mean where some go on longer than others.
    """
    from cnndsl.errors import printable

    head = ["", "runs", "epochs", "loss", "accuracy", "validation loss", "accuracy"]
    head += [f"epochs to {reach:g} %"] if reach is not None else []
    rows = [head, *([printable(name), *_cells(several, reach)] for name, several in runs.items())]
    kept = [k for k in range(len(head)) if k < 3 or any(row[k] for row in rows[1:])]
    widths = [max(len(row[k]) for row in rows) for k in kept]
    lines = ("  ".join(row[k].ljust(w) if not i else row[k].rjust(w) for i, (k, w) in enumerate(zip(kept, widths, strict=True)))
             for row in rows)  # fmt: skip
    notes = filter(None, (uneven(printable(name), [rows[-1].epoch for rows in several]) for name, several in runs.items()))
    return "\n".join([*(line.rstrip() for line in lines), *notes])


def uneven(name: str, ends: Sequence[int]) -> str:
    """`a: the row is of where each run ends, the curve the mean of 3 runs to epoch 4, of 2 to epoch 12`.

    ends: the last epoch of each; empty where it is the same one.
    """
    steps = [(sum(x >= end for x in ends), end) for end in sorted(set(ends))]
    if len(steps) < 2:
        return ""
    row = "the row is of where each run ends, the curve the mean of"
    if len(steps) > MOST_ENDS:
        (most, first), (few, last) = steps[0], steps[-1]
        return f"{name}: {row} {most} runs to epoch {first}, of ever fewer after it, of {few} to epoch {last}"
    (most, first), *rest = steps
    return f"{name}: {row} {most} runs to epoch {first}, " + ", ".join(f"of {n} to epoch {end}" for n, end in rest)


def _cells(several: Sequence[Sequence[Row]], reach: float | None) -> Iterator[str]:
    last = [rows[-1] for rows in several]
    epochs = sorted({row.epoch for row in last})
    yield str(len(several))
    yield str(epochs[0]) if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]}"
    yield _spread([row.loss for row in last], 4)
    yield _spread([row.accuracy for row in last], 2, 100, " %")
    yield _spread([row.validation_loss for row in last], 4)
    yield _spread([row.validation_accuracy for row in last], 2, 100, " %")
    if reach is not None:
        first = [
            next((r.epoch for r in rows if r.accuracy is not None and 100 * r.accuracy >= reach), None) for rows in several
        ]
        there = [x for x in first if x is not None]
        rest = "" if len(there) == len(several) else f" ({len(there)} of {len(several)})"
        yield (_spread(there, int(len(there) > 1)) if there else "never") + (rest if there else "")


def _spread(values: Sequence[float | None], digits: int, by: float = 1, unit: str = "") -> str:
    """Mean ± standard deviation (of a sample) of those that are there; nothing where one is not."""
    found = [by * x for x in values if x is not None]
    if len(found) < len(values):
        return ""
    mean = sum(found) / len(found)
    if len(found) == 1:
        return f"{mean:.{digits}f}{unit}"
    deviation = (sum((x - mean) ** 2 for x in found) / (len(found) - 1)) ** 0.5
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}{unit}"
