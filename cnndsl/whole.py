"""Files that appear whole or not at all: written beside their place, then renamed."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path, follow: bool = True) -> Iterator[Path]:
    """Where to write, in the same folder and with the same ending; renamed to `path` when the block ends.

    Where the block or the renaming fails, what was at `path` stays, and nothing is left beside it. A link stays one: the
    file that it leads to is replaced. A device or a pipe (`/dev/null`, `>(less)`) is no file to replace: it is written to
    as it is. Where links are not to be followed (`follow=False`, the files of a run), whatever is at `path` is itself replaced.
    Raises OSError.
    """
    if follow and path.exists() and not path.is_file():
        yield path
        return
    target = path.resolve() if follow else path
    aside = target.with_name(f".{target.name[:40]}.{os.getpid()}.{threading.get_ident()}{target.suffix}")
    try:
        yield aside
        aside.replace(target)
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)


def write_whole(path: Path, text: str | bytes) -> None:
    """The text, as UTF-8, or the bytes as a file that appears whole or not at all. Raises E598 where it cannot be written."""
    from cnndsl.errors import error

    try:
        with whole(path) as aside:
            aside.write_bytes(text.encode("utf-8") if isinstance(text, str) else text)
    except OSError as e:
        raise error("E598", f"{path} cannot be written: {e.strerror or e}") from None
