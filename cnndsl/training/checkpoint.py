"""Checkpoints: all that is needed to go on, in one folder that is either there whole or not at all.

A checkpoint is written under a name that begins with a dot, synced to disk, and renamed. It holds
`state.safetensors` (parameters, statistics, slots, the step counter) and `checkpoint.json` (where training stands,
what was trained on what, by which version). Only the newest two are kept.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.errors import error
from cnndsl.regular import read_bounded
from cnndsl.training import run_folder
from cnndsl.training.records import Row
from cnndsl.training.sound import sound

Array = NDArray[Any]
FORMAT = 1
KEPT = 2
LARGEST_JSON = 64 << 20


@dataclass(frozen=True)
class Position:
    """Where training stands, beside its state.

    step: steps done in all. loss, right, seen: sums over the images of the epoch so far; of an image whose pixels have
    classes, `right` takes the share. history: the epochs that are over. recipe, data: what was trained, for a comparison at
    resumption. seconds: of training so far. norms: the sum of the gradient's lengths over the `measured` steps of the epoch
    so far.
    """

    step: int
    recipe: Mapping[str, str]
    data: str
    loss: float = 0.0
    right: float = 0
    seen: int = 0
    seconds: float = 0.0
    history: Sequence[Row] = field(default_factory=tuple)
    norms: float = 0.0
    measured: int = 0


def save(run_dir: Path, position: Position, state: Mapping[str, Array]) -> Path:
    """Write a checkpoint into `run_dir/checkpoints`. Raises E708 where the disk refuses; older ones stay intact."""
    from cnndsl.runtime.safetensors import write_weights
    from cnndsl.version import __version__

    folder = run_dir / "checkpoints"
    final, aside = folder / f"{position.step:010d}", folder / f".{position.step:010d}.{os.getpid()}"
    if final in complete(run_dir):  # stopped again where it was resumed: the same bits
        return final
    text = json.dumps({"format": FORMAT, "version": __version__, **asdict(position)}, indent=1, allow_nan=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        write_weights(aside / "state.safetensors", state)
        (aside / "checkpoint.json").write_text(text, encoding="utf-8")
        for path in (aside / "state.safetensors", aside / "checkpoint.json", aside):
            _sync(path)
        aside.rename(final)
        _sync(folder)
        for old in complete(run_dir)[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)
    except OSError as e:
        shutil.rmtree(aside, ignore_errors=True)
        raise unwritable(final, e, run_dir) from None
    except BaseException:  # Ctrl-C, a second time
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return final


def unwritable(path: Path, e: OSError, run_dir: Path) -> Exception:
    """E708: `path` could not be written; says which checkpoint is the last."""
    kept = complete(run_dir)
    last = f"the last checkpoint is intact: {kept[-1]}" if kept else "there is no checkpoint yet"
    return error(
        "E708", f"{path} cannot be written: {e.strerror or e}", notes=(last,), help="make room, then go on with --resume"
    )


def load(run_dir: Path) -> tuple[Position, dict[str, Array]]:
    """The newest complete checkpoint of `run_dir`. Raises E709 where there is none, E710 where it cannot be read."""
    from cnndsl.runtime.safetensors import read_weights

    at = position(run_dir)
    run_folder.clear(run_dir)
    return at, dict(read_weights(complete(run_dir)[-1] / "state.safetensors"))


def position(run_dir: Path) -> Position:
    """Where the newest complete checkpoint of `run_dir` stands, its state unread. Raises as `load`."""
    found = complete(run_dir)
    if not found:
        raise error("E709", f"there is no checkpoint in {run_dir}")
    path = found[-1] / "checkpoint.json"
    try:
        said = json.loads(read_bounded(path, LARGEST_JSON).decode("utf-8"))
        if said.pop("format") != FORMAT:
            raise ValueError("it was written by another version of cnndsl")
        said.pop("version")
        said["history"] = tuple(Row(**row) for row in said["history"])
        at = Position(**said)
        if not sound(at, found[-1].name):
            raise ValueError("its entries are not those that training writes")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as e:
        raise error("E710", f"{path} cannot be read: {getattr(e, 'strerror', None) or e}") from None
    return at


def new_run(root: Path, model: str) -> Path:
    """A new folder `root/<model>/<number>`, the number one above the largest. Raises E708, E710."""
    folder = root / safe_name(model)
    run_folder.check_place(root, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            run_dir = folder / str(max(_numbers(folder), default=0) + 1)
            with contextlib.suppress(FileExistsError):  # another process was quicker
                run_dir.mkdir()
                return run_dir
    except OSError as e:
        raise error("E708", f"{folder} cannot be written: {e.strerror}") from None


def runs_of(model: str, root: Path = Path("runs")) -> list[Path]:
    """The folders of the runs of models of that name under `root`, the oldest first."""
    folder = root / safe_name(model)
    return [folder / str(n) for n in sorted(_numbers(folder))]


def safe_name(model: str) -> str:
    """A model's name as the name of a folder: nothing that leads elsewhere."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", model) or "model"


def _numbers(folder: Path) -> list[int]:
    try:
        return [int(x.name) for x in folder.iterdir() if x.name.isascii() and x.name.isdigit() and x.is_dir()]
    except OSError:
        return []


def complete(run_dir: Path) -> list[Path]:
    """The checkpoints of a run that are whole, oldest first."""
    folder = run_dir / "checkpoints"
    names = sorted(str(n).zfill(10) for n in _numbers(folder))
    return [
        folder / n for n in names if (folder / n / "checkpoint.json").is_file() and (folder / n / "state.safetensors").is_file()
    ]


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def fitting(state: Mapping[str, Array], wanted: Mapping[str, Array], run_dir: Path, model: str) -> None:
    """Raise E711 where the state of that run's checkpoint is not that of this model and optimiser."""
    from cnndsl.runtime.weights import problems

    found = problems(
        {name: np.shape(x) for name, x in state.items()}, {name: np.shape(x) for name, x in wanted.items()}, wanted
    )
    if found:
        help = f"the model was changed since {run_dir} was begun: begin a new run, without --resume, or give it back its text"
        raise error("E711", f"{run_dir}: the checkpoint does not fit {model}", notes=tuple(found), help=help)
