"""The parser's tables, kept between runs: making them takes 0.2 s, which is a third of `cnndsl run`; reading them 0.03.

Plain JSON in the user's cache folder, never pickle, under the hash of the grammar and the versions that made it. A
file that is not there, broken or not writable only means that the tables are made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

LARGEST = 4 << 20  # bytes; they are about 0.2 MB


def home() -> Path | None:
    """The user's cache folder for cnndsl: under XDG_CACHE_HOME, LOCALAPPDATA or ~/.cache; None for a user without a home."""
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "cnndsl"
    except RuntimeError:
        return None


def place(grammar: str, version: str) -> Path | None:
    """The file for these tables; None where there is no folder to keep it in."""
    folder = home()
    if folder is None:
        return None
    made_of = f"{grammar}\0{version}\0{sys.version_info[:2]}"
    return folder / f"grammar-{hashlib.sha256(made_of.encode()).hexdigest()[:24]}.json"


def read(path: Path | None) -> dict[str, Any] | None:
    """The tables kept at `path`, or None. Keys that are numbers come back as numbers."""
    if path is None:
        return None
    try:
        if path.stat().st_size > LARGEST:
            return None
        found = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_numbers)
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and {"data", "memo"} <= found.keys() else None


def _numbers(pairs: list[tuple[str, Any]]) -> dict[Any, Any]:
    return {int(k) if k.isdecimal() else k: v for k, v in pairs}


def write(path: Path | None, tables: dict[str, Any]) -> None:
    """Keep `tables`; where that cannot be, do without."""
    if path is None:
        return
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError, TypeError, ValueError):
        text = json.dumps(tables)
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    with contextlib.suppress(OSError):
        aside.unlink(missing_ok=True)
