"""Paths that name weights: `stage1.unit2.main.conv_bn3.conv`. Rule 16 of the language."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Scope:
    """A stack of bodies, each counting the words it has seen. `segment("conv")` gives `conv`, then `conv2`, …"""

    def __init__(self) -> None:
        self.prefix: list[str] = []
        self.counts: list[dict[str, int]] = [{}]

    def segment(self, word: str) -> str:
        """The next free segment for `word` in the innermost body."""
        seen = self.counts[-1]
        seen[word] = seen.get(word, 0) + 1
        return word if seen[word] == 1 else f"{word}{seen[word]}"

    def path(self, segment: str) -> str:
        return ".".join([*self.prefix, segment])

    @contextmanager
    def inside(self, segment: str) -> Iterator[None]:
        """A body under `segment`: numbering restarts."""
        self.prefix.append(segment)
        self.counts.append({})
        try:
            yield
        finally:
            self.prefix.pop()
            self.counts.pop()
