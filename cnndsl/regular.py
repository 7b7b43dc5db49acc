"""Regular files that may be a stranger's: read no further than a bound, added to without following a link.

A pipe is waited for and a device (`/dev/zero`) never ends, whatever its size is said to be: neither is opened for long.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""A pipe without another end is then not waited for; bytes stay as they are, on Windows too."""


class NotAFileError(OSError):
    """It is there, and is neither a file nor a folder."""


class TooLargeError(OSError):
    """It has more bytes than are read."""


def beginning(path: str | os.PathLike[str], most: int) -> bytes:
    """The first `most` bytes, or all there are. Raises OSError (`NotAFileError` too), and ValueError for what is no path."""
    handle = os.open(path, os.O_RDONLY | AT_ONCE)
    try:
        _check(handle)
        with open(handle, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(handle)


def read_bounded(path: str | os.PathLike[str], most: int) -> bytes:
    """All bytes of a file of at most `most`. Raises what `beginning` raises, and `TooLargeError`."""
    data = beginning(path, most + 1)
    if len(data) > most:
        raise TooLargeError(errno.EFBIG, f"it has more than {f'{most >> 20} MB' if most >= 1 << 20 else f'{most:,} bytes'}")
    return data


def append(path: Path, text: str) -> None:
    """Add text, as UTF-8, to a file or a new one. Raises OSError: for a link, a pipe and a device too."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | AT_ONCE | getattr(os, "O_NOFOLLOW", 0), 0o666)
    try:
        _check(handle)
        with open(handle, "ab", closefd=False) as file:
            file.write(text.encode("utf-8"))
    finally:
        os.close(handle)


def _check(handle: int) -> None:
    mode = os.fstat(handle).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(mode):
        raise NotAFileError(errno.EINVAL, "it is not a file")
