"""The nearest spelling of a word, and lists of words, in messages."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from cnndsl.language.foreign import advice, ours


def nearest(word: str, known: Iterable[str]) -> str | None:
    """`did you mean relu?`, or what to do instead of a word of another tool; None where nothing is near.

    In this order: the same word in another case, or with other underscores (`ReLU`, `maxpool`); what other tools call it
    (`foreign`); the nearest spelling.
    """
    names = list(dict.fromkeys(known))
    for key in dict.fromkeys([_bare(word), folded(word)]):  # dropout2d first, which is not dropout
        name = next((name for name in names if _bare(name) == key), None) or ours(key, names)
        told = f"did you mean {name}?" if name is not None else advice(key, names)
        if told is not None:
            return told
    alike = 0.6 if len(word) <= 4 else 0.7  # sdg for sgd; but first is not meant by fliters
    lower = {name.lower(): name for name in reversed(names)}
    near = difflib.get_close_matches(word.lower(), list(reversed(lower)), 1, alike)
    return f"did you mean {lower[near[0]]}?" if near else None


def _bare(word: str) -> str:
    """Lower case, without what joins words."""
    return word.lower().replace("_", "").replace("-", "")


def folded(word: str) -> str:
    """`maxpool` of `MaxPool2d`: also without the number of axes."""
    return re.sub(r"(?<=\w)[123]d$", "", _bare(word))


def listed(known: Iterable[str]) -> str:
    """`a, b and c`; long lists are cut."""
    names = list(dict.fromkeys(known))
    if len(names) > 12:
        names = [*names[:12], f"{len(names) - 12} more"]
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
