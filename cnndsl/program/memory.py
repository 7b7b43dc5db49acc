"""Memory: offsets in one arena, so that arrays that live at different times share bytes.

An array lives from the first moment it is written to the last it is read, both included. A moment is a kernel, or a
whole region where several workers run it: they are not synchronised inside, so everything that such a region
touches lives all through it. What only that region touches goes into the workers' own blocks instead, one a worker,
where kernel order does hold.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

ALIGN = 64


@dataclass(frozen=True, slots=True)
class Life:
    """An array to place: its bytes, and the first and last moment it is needed."""

    key: Hashable
    nbytes: int
    first: int
    last: int


def aligned(nbytes: int) -> int:
    return -(-nbytes // ALIGN) * ALIGN


def place(lives: Iterable[Life]) -> tuple[dict[Hashable, int], int]:
    """(offset of each key, bytes in all, a multiple of ALIGN).

    Largest first, each at the lowest gap that fits among those alive with it: greedy by size as in Pisarchyk, Lee,
    "Efficient Memory Management for Deep Neural Net Inference", 2020, section 5.
    """
    placed: list[tuple[int, int, int, int]] = []  # offset, end, first, last; kept sorted by offset
    offsets: dict[Hashable, int] = {}
    peak = 0
    for life in sorted(lives, key=lambda x: (-x.nbytes, x.first, x.last)):
        size = aligned(max(life.nbytes, 1))
        at, best, waste = 0, -1, 0
        for offset, end, first, last in placed:
            if last < life.first or first > life.last:
                continue
            if offset - at >= size and (best < 0 or offset - at < waste):
                best, waste = at, offset - at
            at = max(at, end)
        at = at if best < 0 else best
        offsets[life.key] = at
        _insert(placed, (at, at + size, life.first, life.last))
        peak = max(peak, at + size)
    return offsets, peak


def _insert(placed: list[tuple[int, int, int, int]], item: tuple[int, int, int, int]) -> None:
    from bisect import insort

    insort(placed, item)
