"""The words of recipes for a reader: where each stands, its options with what they may be, whether it can be carried out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from cnndsl.language import vocabulary as words
from cnndsl.language.descent import OPTIMIZERS
from cnndsl.language.recipe import Plateau, Step, TrainRecipe
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
RECIPES: Mapping[str, tuple[str, ...]] = {
    "train": words.TRAIN_KEYS, "eval": words.EVAL_KEYS, "task": words.TASK_KEYS, "preprocess": words.PREPROCESS_KEYS,
}  # fmt: skip
PLACES = {"augment": "augment", "images": "preprocess", "views": "eval", "input": "task"}


TAKES: Mapping[str, str] = {
    "data": "the name of a bundled data set; --data takes paths",
    "batch": f"images in one step, else {TrainRecipe().batch}; in eval at a time, else 64",
    "accumulate": "parts that the batch is cut into, one after the other, where it does not fit into memory",
    "epochs": "how often all images are seen; or steps",
    "steps": "how many steps; or epochs",
    "seed": "a whole number: of weights, order, augmentation and dropout; else 0",
    "freeze": "paths of weights that stay, such as [stem, stage1]",
    "validate": 'a share of the training data held back, such as 0.1, or the path of a data set: "photos/val"',
    "jitter": "the deviation of noise added to the input at each step",
    "reduce": " or ".join(words.REDUCTIONS),
    "precision": f"{' or '.join(words.PRECISIONS)}; float32 everywhere, float64 with --target reference, others not yet",
    "labels": "the names of the classes: [cat, dog]",
}
"""Keys of recipes whose values are not words with options."""


def known() -> list[str]:
    """Every word, key and kind of recipe."""
    found = [word for _, vocabulary in KINDS.values() for word in vocabulary]
    return [*found, *RECIPES, *dict.fromkeys(key for keys in RECIPES.values() for key in keys)]


def pages(word: str) -> list[str]:
    """What a word of recipes is: one page for each kind of word of that name, none where there is none."""
    found = [_page(word, key, what, vocabulary[word]) for key, (what, vocabulary) in KINDS.items() if word in vocabulary]
    within = [recipe for recipe, keys in RECIPES.items() if word in keys]
    if within:
        found.append(f"{word}: an entry of {listed(within)}\n\n    {word} = {_value_of(word)}")
    if word in RECIPES:
        keys = RECIPES[word]
        width = max(map(len, keys))
        lines = [f"    {key:<{width}} = {_value_of(key)}" for key in keys]
        found.append("\n".join([f"{word}: a recipe, {word} {{ … }}, with these entries:", "", *lines]))
    return found


def _value_of(key: str) -> str:
    """What may stand behind `key =`."""
    if key in TAKES:
        return TAKES[key]
    if key in words.PLACES:
        return f"steps with -> between: {', '.join(words.PLACES[key])}"
    what, vocabulary = KINDS[key]
    return f"{what}: {', '.join(vocabulary)}"


def defaults(word: str) -> dict[str, Any]:
    """What holds where an option of an optimizer or a schedule is not given."""
    record: Any = {**OPTIMIZERS, "step": Step, "plateau": Plateau}.get(word)
    return {f.name: f.default for f in fields(record) if f.default not in (MISSING, None, ())} if record is not None else {}


def _page(word: str, key: str, what: str, options: words.Options) -> str:
    where = f"in {key} = …"
    if key == "augment":
        places = [place for place, taken in words.PLACES.items() if word in taken]
        where = f"in {listed(PLACES[p] for p in places)}"
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
    return "\n".join(lines)
