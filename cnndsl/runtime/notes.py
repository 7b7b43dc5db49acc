"""What a weight file says beside its numbers: the names of the classes, and how far the training had come.

It stands as text in the file's `__metadata__`. A file is a stranger's: what is too long or of another kind is as if it were
not there, and names are escaped, so that none can steer a terminal.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cnndsl.errors import printable
from cnndsl.targets.numpy.frame.tensors import LARGEST_HEADER

MOST_CLASSES = 1_000_000
LONGEST_NAME = 200


@dataclass(frozen=True)
class Notes:
    """classes: their names, in the order of the scores; empty where none are told. step, steps: done, and asked for."""

    classes: tuple[str, ...] = ()
    step: int | None = None
    steps: int | None = None

    @property
    def unfinished(self) -> bool:
        return self.step is not None and self.steps is not None and self.step < self.steps

    def as_metadata(self) -> dict[str, str]:
        """For `write_weights`."""
        found = {"classes": json.dumps(list(self.classes), ensure_ascii=False)} if self.classes else {}
        numbers = {"step": self.step, "steps": self.steps}
        return found | {name: str(n) for name, n in numbers.items() if n is not None}


def read_notes(path: str | os.PathLike[str]) -> Notes:
    """The notes of a safetensors file; empty where it has none, or cannot be read."""
    try:
        if not os.path.isfile(path):  # a pipe would be waited for
            return Notes()
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length).decode("utf-8")) if length <= LARGEST_HEADER else {}
    except (OSError, ValueError, RecursionError):
        return Notes()
    told = header.get("__metadata__") if isinstance(header, dict) else None
    if not isinstance(told, Mapping):
        return Notes()
    return Notes(_names(told.get("classes")), _number(told.get("step")), _number(told.get("steps")))


def _names(text: object) -> tuple[str, ...]:
    try:
        found = json.loads(text) if isinstance(text, str) else ()
    except (ValueError, RecursionError):
        return ()
    fits = isinstance(found, list) and len(found) <= MOST_CLASSES
    if not fits or not all(isinstance(x, str) and 0 < len(x) <= LONGEST_NAME for x in found) or len(set(found)) < len(found):
        return ()
    return tuple(printable(x) for x in found)


def _number(text: object) -> int | None:
    return int(text) if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) < 19 else None


def numbered(names: Sequence[str]) -> bool:
    """Whether the names say no more than the numbers of the classes do."""
    return tuple(names) == tuple(map(str, range(len(names))))
