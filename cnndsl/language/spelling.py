"""The nearest spelling of a word, and lists of words, in messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """`did you mean relu?`, or None where nothing is near."""
    alike = 0.6 if len(word) <= 4 else 0.7  # sdg for sgd; but first is not meant by fliters
    near = difflib.get_close_matches(word, list(dict.fromkeys(known)), 1, alike)
    return f"did you mean {near[0]}?" if near else None


def listed(known: Iterable[str]) -> str:
    """`a, b and c`; long lists are cut."""
    names = list(dict.fromkeys(known))
    if len(names) > 12:
        names = [*names[:12], f"{len(names) - 12} more"]
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
