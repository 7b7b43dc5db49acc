"""The table of measured times: kept in the user's cache folder, and used by every compilation on this machine.

Plain JSON, a file for each machine and version. It only ranks algorithms that the compiler lists itself, and is read as
data from a stranger: what is no such table, or another machine's, is left aside with a sentence. `CNNDSL_TUNING=off` does
without it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cnndsl.errors import printable
from cnndsl.regular import read_bounded
from cnndsl.targets.numpy.tuning import Table
from cnndsl.whole import whole

FORMAT = "cnndsl tuning 1"
LARGEST = 8 << 20  # bytes
LONGEST = 1e6
"""Seconds: what took longer is no time of an algorithm."""
Times = dict[str, dict[str, dict[str, float]]]
"""threads → problem → label → seconds."""


@dataclass(frozen=True)
class Tables:
    """What a file holds. remark: why it holds nothing though it is there; empty: all is well."""

    path: Path | None
    times: Times = field(default_factory=dict)
    remark: str = ""

    def table(self, threads: int) -> Table | None:
        """The table for so many threads."""
        found = self.times.get(str(threads))
        if not found:
            return None
        text = json.dumps(found, sort_keys=True)
        return Table(f"{core()}, {threads} threads, table {hashlib.sha256(text.encode()).hexdigest()[:8]}", threads, found)


@cache
def core() -> str:
    """A word for this machine in the text of a program."""
    from cnndsl.runtime.machine import blas_core

    found = blas_core()
    return found if found.isalnum() and found.isascii() else "this machine"


@cache
def machine() -> str:
    """What a time depends on, in words: processor, BLAS and its core, versions."""
    import numpy

    from cnndsl.runtime.machine import blas, blas_core, processor
    from cnndsl.version import __version__

    return f"{processor()}; {blas()} {blas_core()}; NumPy {numpy.__version__}; cnndsl {__version__}"


def home() -> Path | None:
    """The user's cache folder for cnndsl: under XDG_CACHE_HOME, LOCALAPPDATA or ~/.cache; None for a user without a home."""
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "cnndsl"
    except RuntimeError:
        return None


def place() -> Path | None:
    """The file for this machine; None where there is no folder to keep it in."""
    folder = home()
    return folder / f"tuning-{hashlib.sha256(machine().encode()).hexdigest()[:16]}.json" if folder is not None else None


def read(path: Path | None) -> Tables:
    """The tables kept at `path`. A file that is not there is an empty one."""
    if path is None:
        return Tables(None)
    try:
        found = json.loads(read_bounded(path, LARGEST).decode("utf-8"))
    except FileNotFoundError:
        return Tables(path)
    except OSError as e:
        return _idle(path, e.strerror or str(e))
    except (ValueError, RecursionError):
        return _idle(path, "it is no JSON")
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        return _idle(path, "it is no table of this version")
    if found.get("machine") != machine():
        return _idle(path, f"it was measured on another machine ({str(found.get('machine'))[:200]})")
    times: Any = found.get("times")
    return Tables(path, times) if _sound(times) else _idle(path, "a time in it is no number")


def _sound(times: Any) -> bool:
    """Whether it is a mapping of mappings of mappings to times."""
    if not isinstance(times, dict) or not all(isinstance(x, dict) for x in times.values()):
        return False
    problems = [x for table in times.values() for x in table.values()]
    return all(isinstance(x, dict) and all(map(_is_time, x.values())) for x in problems)


def _is_time(x: Any) -> bool:
    return isinstance(x, (int, float)) and not isinstance(x, bool) and 0 < x <= LONGEST  # of an integer without end too


def _idle(path: Path, why: str) -> Tables:
    return Tables(path, {}, printable(f"the tuning table {path} is left aside: {why}; cnndsl tune makes a new one"))


def write(tables: Tables, threads: int, times: Mapping[str, Mapping[str, float]]) -> Tables:
    """Keep `times` beside what is there already, for so many threads; where it cannot be kept, `remark` says so.

    What another process has written since `tables` was read stays too. The file appears whole or not at all.
    """
    both = {n: dict(x) for n, x in tables.times.items()}
    for n, x in read(tables.path).times.items():
        both[n] = {**both.get(n, {}), **x}
    both[str(threads)] = {**both.get(str(threads), {}), **{k: dict(v) for k, v in times.items()}}
    if tables.path is None:
        return Tables(None, both, "there is no folder to keep the table in; set XDG_CACHE_HOME to have one")
    text = json.dumps({"format": FORMAT, "machine": machine(), "times": both}, indent=1, sort_keys=True)
    try:
        tables.path.parent.mkdir(parents=True, exist_ok=True)
        with whole(tables.path) as aside:
            aside.write_text(text + "\n", encoding="utf-8")
    except OSError as e:
        return Tables(tables.path, both, printable(f"{tables.path} cannot be written: {e.strerror or e}"))
    return Tables(tables.path, both)


_READ: dict[Path, tuple[tuple[int, int], Tables]] = {}


def is_off() -> bool:
    return os.environ.get("CNNDSL_TUNING", "").lower() in ("off", "0", "no")


def mine() -> Tables:
    """This machine's tables, read again when the file has changed; empty ones where they are switched off."""
    if is_off():
        return Tables(None)
    folder = home()
    if folder is None or not any(folder.glob("tuning-*.json")):  # asking the machine takes longer than most have use for
        return Tables(None)
    path = place()
    assert path is not None
    try:
        now = path.stat()
    except OSError:
        return Tables(path)
    stamp = (now.st_mtime_ns, now.st_size)
    if path not in _READ or _READ[path][0] != stamp:
        _READ[path] = (stamp, read(path))
    return _READ[path][1]
