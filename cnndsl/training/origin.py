"""Which file a run is of, and what that file said: models of one name, of several files, have their runs in one folder.

`model.json` in a run's folder holds the file's path from the working folder, its preprocessing as text, and a checksum of the
network. A run that was left before there was such a record, or by Python from a text, may be of any file.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cnndsl.errors import printable
from cnndsl.graph.text import to_text
from cnndsl.language.bundled import bundled
from cnndsl.language.writing.recipe import pipeline
from cnndsl.regular import read_bounded
from cnndsl.version import __version__

if TYPE_CHECKING:
    from cnndsl.language.model import Model

NAME = "model.json"
LARGEST = 1 << 20


@dataclass(frozen=True)
class Origin:
    """file: its path from the working folder, the name of a bundled one, empty where none is known. preprocess: of pictures,
    as the file writes it. network: a checksum of the graph, to be compared within one `version` of cnndsl only."""

    file: str = ""
    preprocess: str = ""
    network: str = ""
    version: str = ""


def origin_of(model: Model) -> Origin:
    steps = model.preprocess.images if model.preprocess is not None else ()
    network = f"{zlib.crc32(to_text(model.graph).encode()):08x}"
    return Origin(file_of(model.source.name), pipeline(steps), network, __version__)


def file_of(name: str | Path) -> str:
    """The name of a source or the path of a file, as a record keeps it."""
    if str(name).startswith("<"):
        return ""
    path = Path(name).resolve()
    if path.parent == bundled("models").resolve():
        return path.stem
    try:
        return Path(os.path.relpath(path, Path.cwd().resolve())).as_posix()
    except ValueError:  # on another drive
        return path.as_posix()


def keep(run_dir: Path, model: Model) -> None:
    """Write the record. Raises OSError."""
    from cnndsl.whole import whole

    with whole(run_dir / NAME, follow=False) as aside:
        aside.write_text(json.dumps(asdict(origin_of(model)), indent=1), encoding="utf-8", errors="backslashreplace")


def kept(run_dir: Path) -> Origin:
    """The record of a run; empty where there is none, or a stranger wrote it."""
    path = run_dir / NAME
    try:
        said = json.loads(read_bounded(path, LARGEST).decode("utf-8"))
        if not isinstance(said, dict) or not all(isinstance(x, str) for x in said.values()):
            return Origin()
        return Origin(**{key: printable(x) for key, x in said.items()})
    except (OSError, ValueError, TypeError, RecursionError):
        return Origin()


def belongs(run_dir: Path, file: str) -> bool:
    """Whether the run is of that file, as far as is known."""
    return kept(run_dir).file in ("", file) or not file


def newest(runs: list[Path], file: str) -> Path | None:
    """Of runs, the oldest first, the newest of that file; where there is none of it, the newest of all."""
    return next((run for run in reversed(runs) if belongs(run, file)), runs[-1] if runs else None)


def gone(run_dir: Path) -> bool:
    """Whether the file that a run is of is no longer there: it may have another name now."""
    file = kept(run_dir).file
    return file.endswith(".cnn") and not os.path.exists(file)


def changed(run_dir: Path, model: Model) -> tuple[str, tuple[str, ...]]:
    """What of the model is not as it was when the run was begun, as a clause of a message, and lines that say how; empty where
    nothing is known to differ."""
    was, now = kept(run_dir), origin_of(model)
    if not was.version:
        return "", ()
    preprocess = was.preprocess != now.preprocess
    network = was.network != now.network and was.version == now.version
    notes = (f"preprocess: images = {was.preprocess or 'nothing'}, now {now.preprocess or 'nothing'}",) if preprocess else ()
    differ = " and the ".join(["preprocess"] * preprocess + ["network"] * network)
    if not differ:
        return "", ()
    if now.file and was.file not in ("", now.file):
        are = "are" if preprocess and network else "is"
        return f"{run_dir} was trained by {was.file}, and the {differ} of {now.file} {are} another", notes
    return f"the {differ} of {now.file or model.name} changed since {run_dir} was trained", notes
