"""How much of a stranger's file may come into memory: held before memory is taken, whatever the file says of itself."""

from __future__ import annotations

import os
from pathlib import Path

from cnndsl.errors import error

LARGEST = 8 << 30
"""Bytes of the arrays of one data set."""
PACKED = 1_100
"""Bytes that one byte may become: deflate, of gzip and zip, packs at most about 1,030 to 1."""


def check_room(nbytes: int, where: str) -> None:
    """Raises E704 for more than `LARGEST`, and for more than this machine has free."""
    if nbytes > LARGEST:
        raise error("E704", f"{where}: {nbytes:,} bytes; at most {LARGEST:,} are read")
    free = memory()
    if nbytes > free:
        raise error("E704", f"{where}: {nbytes:,} bytes; this machine has {free:,} free")


def memory() -> int:
    """Bytes that a program may still take, as the system tells it; where it tells nothing, `LARGEST`."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        return LARGEST
