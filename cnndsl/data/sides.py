"""Sizes of pictures as image steps take them: `n`, or `HxW`."""

from __future__ import annotations

from typing import Any

from cnndsl.errors import error
from cnndsl.language.vocabulary import SIDE


def pair(size: Any) -> tuple[int, int]:
    """(height, width) of `n` or `HxW`. Raises E422."""
    found = size if isinstance(size, tuple) else (size, size)
    if len(found) != 2:
        raise error("E422", f"a size is n or HxW, not {size}")
    return side(found[0]), side(found[1])


def side(n: Any) -> int:
    """Pixels along one side. Raises E422."""
    if isinstance(n, bool) or not isinstance(n, (int, float)) or n != int(n) or not 1 <= n <= SIDE:
        raise error("E422", f"a side has from 1 to {SIDE:,} pixels, not {n}")
    return int(n)
