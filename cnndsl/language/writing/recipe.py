"""Recipes as text: the words of a checked recipe as a file would write them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from cnndsl.language.recipe import NO_ENTRIES, Call, Constant, Interval, LossTerm, Pipeline, Sides, TrainRecipe, Warmup

WORD = re.compile(r"[A-Za-z]\w*(\.\w+)*", re.ASCII)
PIPELINES = ("augment", "images", "views", "input")
DEFAULTS = TrainRecipe()


def train_lines(recipe: TrainRecipe) -> list[str]:
    """`train { … }` as lines: the entries that are not what holds without them, in the order of the record."""
    said = {f.name: getattr(recipe, f.name) for f in fields(recipe) if f.name not in NO_ENTRIES}
    said = {key: x for key, x in said.items() if x is not None and (x != getattr(DEFAULTS, key) or key == "batch")}
    width = max((len(key) for key in said), default=0)
    body = [f"    {key:<{width}} = {entry(key, x)}" for key, x in said.items()]
    return [f"train {recipe.name}".rstrip() + " {", *body, "}"]


def entry(key: str, x: Any) -> str:
    """The value of one entry."""
    if key == "loss":
        return loss(x)
    return pipeline(x) if key in PIPELINES and isinstance(x, tuple) else value(x)


def pipeline(steps: Sequence[Call]) -> str:
    """`grey -> invert(auto) -> resize(28x28)`."""
    return " -> ".join(map(value, steps))


def loss(terms: Sequence[LossTerm]) -> str:
    """`cross_entropy(logits) + 0.3 * cross_entropy(aux)`."""
    parts = []
    for term in terms:
        size = abs(term.weight)
        parts.append(("- " if term.weight < 0 else "+ ") + ("" if size == 1 else f"{value(size)} * ") + value(term.call))
    text = " ".join(parts)
    return text.removeprefix("+ ") if text.startswith("+") else text.replace("- ", "-", 1)


def value(x: Any) -> str:
    """A number, word, list, range, call or pipeline; a record by the word and the options it was made of."""
    match x:
        case bool():
            return str(x).lower()
        case float():
            return str(int(x)) if x.is_integer() and abs(x) < 1e15 else repr(x)
        case str():
            return x if WORD.fullmatch(x) else '"' + x.replace('"', "'") + '"'
        case Call():
            return called(x.name, [*map(value, x.args), *(f"{key} = {value(v)}" for key, v in x.keys.items())])
        case Interval():
            return f"{value(x.low)}..{value(x.high)}"
        case Sides():
            return "x".join(map(str, x))
        case tuple():
            return f"[{', '.join(map(value, x))}]"
        case Pipeline():
            return pipeline(x.steps)
        case Warmup():
            before = f"warmup({value(x.epochs)})"
            return before if isinstance(x.then, Constant) else f"{before} -> {value(x.then)}"
        case _ if is_dataclass(x) and not isinstance(x, type):
            return called(type(x).__name__.lower(), list(_options(x)))
    return str(x)


def called(word: str, options: Sequence[str]) -> str:
    return f"{word}({', '.join(options)})" if options else word


def _options(record: Any) -> Iterator[str]:
    for f in fields(record):
        x = getattr(record, f.name)
        if f.default is MISSING or x != f.default:
            yield f"{f.name} = {value(x)}"
