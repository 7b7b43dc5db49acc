"""`key=value` on the command line: arguments of the model, and entries of its recipes (`train.epochs=2`)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from cnndsl.errors import error

PAIR = re.compile(r"([A-Za-z_]\w*(?:\.\w+)*)=(.*)", re.DOTALL)


@dataclass(frozen=True)
class Pairs:
    """model: arguments of the model. recipe: the rest, by the name of the recipe: {"train": {"epochs": "2"}}. reads: the
    recipes of which the command takes entries."""

    model: dict[str, str] = field(default_factory=dict)
    recipe: dict[str, dict[str, str]] = field(default_factory=dict)
    reads: tuple[str, ...] = ()

    def only(self, *recipes: str) -> Pairs:
        """Itself, where every recipe named is one of `recipes`; E770 otherwise."""
        for name in self.recipe:
            if name not in recipes:
                known = ", ".join(f"{r}.KEY=VALUE" for r in recipes) or "only arguments of the model"
                raise error("E770", f"{name}.… is no entry that this command reads", help=f"it reads {known}")
        return replace(self, reads=recipes)


def pairs(words: Iterable[str]) -> Pairs:
    """Every word is `key=value`; E770 where one is not, or a key is given twice."""
    found = Pairs()
    for word in words:
        match = PAIR.fullmatch(word)
        if match is None:
            raise error("E770", f"{word!r} is not key=value", help="arguments look like classes=26 or train.epochs=2")
        key, text = match[1], match[2]
        recipe, dot, entry = key.partition(".")
        into = found.recipe.setdefault(recipe, {}) if dot else found.model
        if (entry if dot else key) in into:
            raise error("E770", f"{key} is given twice")
        into[entry if dot else key] = text
    return found


def split(words: Iterable[str]) -> tuple[list[str], Pairs]:
    """Files apart from `key=value`. What exists as a file is a file, whatever its name."""
    files: list[str] = []
    rest: list[str] = []
    for word in words:
        (rest if PAIR.fullmatch(word) and not Path(word).exists() else files).append(word)
    return files, pairs(rest)
