"""The words of recipes for a reader: where each stands, its options with what they may be, whether it can be carried out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from cnndsl.language import vocabulary as words
from cnndsl.language.recipe import Plateau, Step
from cnndsl.language.recipes import OPTIMIZERS
from cnndsl.language.spelling import listed
from cnndsl.language.writing.recipe import value

KINDS: Mapping[str, tuple[str, Mapping[str, words.Options]]] = {
    "optimizer": ("an optimizer", words.OPTIMIZERS),
    "schedule": ("a schedule of the rate", words.SCHEDULES),
    "loss": ("a loss", words.LOSSES),
    "augment": ("a step for images", words.STEPS),
    "metrics": ("a metric", words.METRICS),
    "clip": ("a way to clip gradients", words.CLIPS),
    "average": ("an average of the weights", words.AVERAGES),
}
"""entry of a recipe → what its words are, and the words."""
PLACES = {"augment": "augment", "images": "preprocess", "views": "eval", "input": "task"}


def known() -> list[str]:
    """Every word."""
    return [word for _, vocabulary in KINDS.values() for word in vocabulary]


def pages(word: str) -> list[str]:
    """What a word of recipes is: one page for each kind of word of that name, none where there is none."""
    return [_page(word, key, what, vocabulary[word]) for key, (what, vocabulary) in KINDS.items() if word in vocabulary]


def defaults(word: str) -> dict[str, Any]:
    """What holds where an option of an optimizer or a schedule is not given."""
    record: Any = {**OPTIMIZERS, "step": Step, "plateau": Plateau}.get(word)
    return {f.name: f.default for f in fields(record) if f.default not in (MISSING, None, ())} if record is not None else {}


def _page(word: str, key: str, what: str, options: words.Options) -> str:
    where = f"in {key} = …"
    runs = not words.not_run(key, word) if key in words.RUN or key in words.NEVER_RUN else True
    if key == "augment":
        places = [place for place, taken in words.PLACES.items() if word in taken]
        where = f"in {listed(PLACES[p] for p in places)}"
        runs = any(p not in words.RUN or word in words.RUN[p] for p in places)
    lines = [f"{word}: {what}, {where}"]
    width = max(map(len, options), default=0)
    lines += ["", "Options:", ""] if options else []
    needed = 8 * any(o.needed for o in options.values())
    otherwise = defaults(word)
    lines += [
        f"    {name:<{width}}  {'needed' * o.needed:<{needed}}{o.wanted}"
        + (f"; else {value(otherwise[name])}" if name in otherwise else "")
        for name, o in options.items()
    ]
    return "\n".join([*lines, *([] if runs else ["", "It is written correctly, and cannot be carried out yet."])])
