"""Where the grammar and the bundled models lie: beside the package in a source tree, inside it in a wheel."""

from __future__ import annotations

from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


@cache
def bundled(folder: str) -> Path:
    """The folder `grammars` or `models`. Raises FileNotFoundError where the installation lacks it."""
    for home in (PACKAGE, PACKAGE.parent):
        found = home / folder
        if found.is_dir() and (home is PACKAGE or (home / "pyproject.toml").is_file()):
            return found
    raise FileNotFoundError(f"this installation of cnndsl has no folder {folder}")


def grammar() -> str:
    """The text of `cnn.lark`."""
    return (bundled("grammars") / "cnn.lark").read_text(encoding="utf-8")
