"""The random numbers of image steps, and the ranges they are drawn from.

An image takes whole blocks of four Philox words: image i of the data set, with k numbers a step, takes the numbers
from i · 4⌈k/4⌉ on of the stream of that step, the epoch being Philox's `step`. A step that needs numbers for every pixel
takes them from a stream of its own, image i from block i · 2³² on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.errors import error

Array = NDArray[Any]
BLOCKS = 1 << 32
"""Blocks of four words between an image and the next, where every pixel takes a number."""


@dataclass(frozen=True)
class Draws:
    """What the images `samples` draw in one step of the pipeline: `count` numbers each.

    table: (n, count), the numbers, where they have been drawn for a whole batch at once: a call costs the same for one
    image as for sixty-four.
    """

    seed: int
    epoch: int
    stream: str
    samples: Array
    count: int
    table: Array | None = None

    def uniform(self) -> Array:
        """(n, count) float64 in [0, 1)."""
        if self.table is not None:
            return self.table
        from cnndsl.random import blocks, stream_of, uniform

        per = -(-self.count // 4)
        index = (self.samples.astype(np.uint64)[:, None] * np.uint64(per) + np.arange(per, dtype=np.uint64)).ravel()
        words = blocks(np, self.seed, self.epoch, stream_of(self.stream), index)
        return np.asarray(uniform(np, words).reshape(len(self.samples), per * 4)[:, : self.count])

    def normal(self, i: int, count: int) -> Array:
        """(count,) standard normal float64 numbers of the i-th of the images, by Box and Muller's transform of pairs."""
        from cnndsl.random import normal_pairs, stream_of

        start = int(self.samples[i]) * BLOCKS * 2  # counted in pairs
        pairs = -(-count // 2)
        return np.asarray(normal_pairs(np, self.seed, self.epoch, stream_of(f"{self.stream}.pixels"), start, pairs)[:count])

    def filled(self) -> Draws:
        """The same, drawn."""
        return replace(self, table=self.uniform()) if self.count and self.table is None else self

    def only(self, first: int, last: int) -> Draws:
        """The same for the images from `first` to before `last`."""
        table = None if self.table is None else self.table[first:last]
        return replace(self, samples=self.samples[first:last], table=table)


def permutation(seed: int, epoch: int, stream: str, count: int) -> Array:
    """0 … count − 1 in an order that depends on seed, epoch and stream alone."""
    from cnndsl.random import stream_of, words

    return np.argsort(words(np, seed, epoch, stream_of(stream), 0, count), kind="stable")


def drawn(u: Array, bounds: tuple[float, float]) -> Array:
    return np.asarray(bounds[0] + u * (bounds[1] - bounds[0]))


def span_of(value: Any, symmetric: bool = False) -> tuple[float, float]:
    """A range's bounds; a number n stands for n..n, or −n..n where `symmetric`. Raises E422."""
    low, high = getattr(value, "low", value), getattr(value, "high", value)
    if any(isinstance(v, bool) or not isinstance(v, (int, float)) or not abs(v) < 1e12 for v in (low, high)):
        raise error("E422", f"expected a number or a range such as 0.9..1.1, but found {value}")
    if low > high:
        raise error("E422", f"a range goes upwards, not {low}..{high}")
    if symmetric and low is value:
        return -abs(float(value)), abs(float(value))
    return float(low), float(high)
