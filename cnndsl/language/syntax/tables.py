"""The parser's tables, kept between runs: making them takes 0.3 s, reading them 0.01.

Plain JSON in the user's cache folder, never pickle, under the hash of the grammar and of their own form. A file
that is not there, broken or not writable only means that the tables are made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from cnndsl.whole import whole

LARGEST = 4 << 20  # bytes; they are about 0.1 MB
FORM = 1
"""Counts the forms of `generate`."""
PARTS = {"terminals", "ignored", "rules", "states", "starts"}


def home() -> Path | None:
    """The user's cache folder for cnndsl: under XDG_CACHE_HOME, LOCALAPPDATA or ~/.cache; None for a user without a home."""
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "cnndsl"
    except RuntimeError:
        return None


def place(grammar: str) -> Path | None:
    """The file for the tables of this grammar; None where there is no folder to keep it in."""
    folder = home()
    if folder is None:
        return None
    return folder / f"grammar-{hashlib.sha256(f'{FORM} {grammar}'.encode()).hexdigest()[:24]}.json"


def read(path: Path | None) -> dict[str, Any] | None:
    """The tables kept at `path`, or None."""
    if path is None:
        return None
    try:
        if path.stat().st_size > LARGEST:
            return None
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found.keys() >= PARTS else None


def write(path: Path | None, tables: dict[str, Any]) -> None:
    """Keep `tables`; where that cannot be, do without."""
    if path is None:
        return
    with contextlib.suppress(OSError, TypeError, ValueError):
        text = json.dumps(tables)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as aside:
            aside.write_text(text, encoding="utf-8")
