"""Paths that a file names: downwards from its own folder, also where links are followed."""

from __future__ import annotations

from pathlib import Path

from cnndsl.errors import Span, error

PATHS = "paths are relative, and go downwards only"


def leads_out(said: str) -> bool:
    """Whether a path leaves its folder by its words alone, or may on some system."""
    path = Path(said)
    return path.is_absolute() or ".." in path.parts or "\\" in said or ":" in said


def inside(folder: Path, said: str, span: Span | None, code: str, help: str) -> Path:
    """`said` in `folder`. Raises `code` where it leads out of that, by its words or by links, or is no path."""
    path = folder / said
    try:
        out = leads_out(said) or not path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):
        raise error(code, f"{said} is no path", span) from None
    if out:
        raise error(code, f"{said} leaves the folder of this file", span, help=help)
    return path
