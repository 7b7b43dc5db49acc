"""Memory that a process keeps for itself between uses."""

from __future__ import annotations

import ctypes
import sys

_TRIM, _MMAP = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
KEPT = 128 << 20
"""Bytes that each thread may keep."""


def keep_freed_memory() -> bool:
    """Let glibc keep what threads free, up to `KEPT` each, rather than give it back and ask again for every picture.

    A setting of the whole process, for programs that own theirs: the command line calls it, the library never does.
    Returns whether it took; elsewhere than on Linux with glibc there is nothing to set.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_TRIM, KEPT)) and bool(mallopt(_MMAP, 32 << 20))
