"""What every evaluation does: it reads a part ahead in chunks, tells how far it is, and takes one network or several."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.data.loader import Filling, Reader, first_refused
from cnndsl.data.records import Part
from cnndsl.errors import error
from cnndsl.training.records import Judged, OnJudged, Skipped

Array = NDArray[Any]
Weights = Mapping[str, Array] | str | Path
LARGE = 1 << 15  # numbers of an image from which on fewer are read at a time


def several(weights: Weights | Sequence[Weights]) -> list[Weights]:
    """The weights of each network. Raises E504 where there are none."""
    found = [weights] if isinstance(weights, (Mapping, str, Path)) else list(weights)
    if not found:
        raise error("E504", "there are no weights to evaluate with")
    return found


def is_large(shape: Sequence[int]) -> bool:
    return math.prod(shape) >= LARGE


def read_ahead(reader: Reader, part: Part, chunk: int) -> Iterator[tuple[Filling, Array]]:
    """Chunk by chunk the pictures of a part, and whether each is there; the next chunk is read while one is in use.

    Raises E706 at the end where none of all pictures fits: that is a mistake of the file, not of the pictures.
    """
    chunks = [np.arange(start, min(start + chunk, len(part))) for start in range(0, len(part), chunk)]
    ahead = reader.begin(part, chunks[0])
    some = False
    for i in range(len(chunks)):
        found, ahead = ahead, reader.begin(part, chunks[i + 1]) if i + 1 < len(chunks) else ahead
        there = found.wait()
        some = some or bool(there.any())
        yield found, there
    if not some and (refused := first_refused(found)).code == "E706":
        raise refused


class Telling:
    """Tells how far an evaluation of `count` images is, and of pictures that are skipped, each once.

    skipped: path → why, which grows while it runs. tell: None where nobody listens.
    """

    def __init__(self, tell: OnJudged | None, count: int, skipped: Mapping[str, str], views: int = 1) -> None:
        self.tell, self.count, self.skipped, self.views = tell, count, skipped, views
        self.named, self.began = 0, time.perf_counter()

    def skips(self) -> None:
        for name, why in list(self.skipped.items())[self.named :]:
            self.named += 1
            if self.tell is not None:
                self.tell(Skipped(0, name, why, self.named))

    def __call__(self, seen: int) -> None:
        """seen: images that have been judged."""
        self.skips()
        if self.tell is not None:
            self.tell(Judged(seen + self.named, self.count, self.views, time.perf_counter() - self.began))
