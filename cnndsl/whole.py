"""Files that appear whole or not at all: written beside their place, then renamed."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write, in the same folder and with the same ending; renamed to `path` when the block ends.

    Where the block or the renaming fails, what was at `path` stays, and nothing is left beside it. Raises OSError.
    """
    aside = path.with_name(f".{path.name[:40]}.{os.getpid()}.{threading.get_ident()}{path.suffix}")
    try:
        yield aside
        aside.replace(path)
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
