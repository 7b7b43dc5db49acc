"""Memory that a process keeps for itself between uses."""

from __future__ import annotations

import ctypes
import gc
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


def give_back_freed_memory() -> bool:
    """Return to the system what is free, after something large and rare: a picture's pixels and their like, some MB, which
    would stay as holes between what was allocated meanwhile. What is in a circle of references is freed first.

    Returns whether the allocator has a way to; elsewhere than on Linux with glibc it does as it sees fit.
    """
    gc.collect()
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0))
    except (OSError, AttributeError):
        return False
