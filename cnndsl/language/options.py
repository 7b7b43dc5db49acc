"""The options of a recipe's words, bound by name and each checked at its place: E402, E403."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cnndsl.errors import CnnError, Diagnostic, Span, counted, error
from cnndsl.language.commas import pointed
from cnndsl.language.recipe import Call, Interval, Pipeline, Sides
from cnndsl.language.spelling import listed, nearest
from cnndsl.language.values import is_number, shown
from cnndsl.language.vocabulary import PLACES, STEPS, Option, Options


def bind(call: Call, vocabulary: Mapping[str, Options], what: str, *, many: bool = False) -> dict[str, Any]:
    """option → value of a call whose word is one of `vocabulary`. many: a list of sizes means every one of them."""
    if call.name not in vocabulary:
        help = nearest(call.name, vocabulary) or f"there are {listed(vocabulary)}"
        raise error("E402", f"{call.name} is no {what}", call.span, help=help)
    options = vocabulary[call.name]
    if len(call.args) > len(options):
        most = f"at most {counted(len(options), 'option')}: {listed(options)}" if options else "no options"
        sides = len(options) == 1 and next(iter(options.values())).kind == "side" and len(call.args) == 2
        mend = f"{call.name}({told(call.args[0])}x{told(call.args[1])})" if sides else pointed(call.name, call.spans.values())
        raise error("E403", f"{call.name} takes {most}", call.spans.get(str(len(options)), call.span), help=mend)
    found = dict(zip(options, call.args, strict=False))
    places = {name: call.spans.get(str(k), call.span) for k, name in enumerate(found)}
    for key, value in call.keys.items():
        place = call.spans.get(key, call.span)
        if key not in options:
            help = nearest(key, options) or (f"it has {listed(options)}" if options else "it has none")
            raise error("E402", f"{call.name} has no option {key}", place, help=help)
        if key in found:
            raise error("E403", f"{call.name}: {key} is given twice", place)
        found[key] = value
        places[key] = place
    for name, option in options.items():
        if name in found:
            try:
                check(call.name, name, option, found[name], places[name], many)
            except CnnError as e:
                unnamed = name not in call.keys and len(options) > 1
                order = f"without names they come in this order: {call.name}({', '.join(options)})" if unnamed else None
                mend = (pointed(call.name, call.spans.values()) or order) if unnamed else None
                raise CnnError(d if d.help else replace(d, help=mend) for d in e.diagnostics) from None
        elif option.needed:
            raise error("E403", f"{call.name} needs {name}", call.span, help=f"{call.name}({name} = …)")
    return found


def check(what: str, name: str, option: Option, value: Any, span: Span | None, many: bool = False) -> None:
    """Refuse a value that the option does not take: E402 for a word, E403 for anything else."""
    if option.kind == "word" and isinstance(value, str) and value not in option.words:
        help = nearest(value, option.words)
        raise error("E402", f"{what}: {name} is {option.wanted}, not {value}", span, help=help)
    if not _fits(option, value, many):
        raise error("E403", f"{what}: {name} is {option.wanted}, not {told(value)}", span)


def _fits(option: Option, value: Any, many: bool) -> bool:
    def within(x: Any, whole: bool = False) -> bool:
        return is_number(x) and (not whole or x == int(x)) and option.holds(x)

    match option.kind:
        case "number":
            return within(value)
        case "whole":
            return isinstance(value, int) and within(value)
        case "truth":
            return isinstance(value, bool)
        case "word":
            return value in option.words
        case "value":
            return isinstance(value, str)
        case "numbers" | "counts":
            parts = value if isinstance(value, tuple) else (value,)
            return bool(parts) and all(within(p, option.kind == "counts") for p in parts)
        case "pair":
            parts = value if isinstance(value, tuple) else (value, value)
            return len(parts) == 2 and all(within(p, True) for p in parts)
    whole = option.kind in ("side", "pixels")
    if isinstance(value, Interval):  # side, draw, pixels
        return not many and within(value.low, whole) and within(value.high, whole)
    if option.kind == "side" and isinstance(value, tuple):
        if many and not isinstance(value, Sides):
            return bool(value) and all(_fits(option, p, False) for p in value)
        return len(value) == 2 and all(within(p, True) for p in value)
    return within(value, whole)


def told(value: Any) -> str:
    """A value of a recipe in a message, much as it is written."""
    match value:
        case Interval():
            return f"{value.low:g}..{value.high:g}"
        case Call():
            return value.name
        case Pipeline():
            return " -> ".join(c.name for c in value.steps)
        case Sides():
            return "x".join(map(str, value))
        case tuple():
            return f"[{', '.join(map(told, value))}]"
    return shown(value)


def as_call(value: Any, span: Span) -> Call:
    """A word alone is a call without options."""
    if isinstance(value, Call):
        return value
    if isinstance(value, str):
        return Call(value, (), {}, span)
    help = f"steps are joined by ->: {' -> '.join(map(told, value))}" if isinstance(value, tuple) and value else None
    raise error("E403", f"a step is a word, perhaps with options, not {told(value)}", span, help=help)


def steps_of(value: Any, span: Span) -> tuple[Call, ...]:
    return value.steps if isinstance(value, Pipeline) else (as_call(value, span),)


def images(key: str, value: Any, span: Span) -> tuple[Call, ...]:
    """A pipeline of image steps, each of a kind that the key takes (`PLACES`)."""
    steps = steps_of(value, span)
    unknown: list[Diagnostic] = []
    for call in steps:
        try:
            bind(call, STEPS, "image step", many=key == "views")
        except CnnError as e:
            unknown += e.diagnostics
            continue
        if call.name not in PLACES[key]:
            why = {
                "images": "draws at random, and preprocess is the same for every picture" if call.name in PLACES["augment"]
                else "makes several pictures of one", "views": "draws at random, and views are the same each time",
                "augment": "makes no single picture, which training needs", "input": "is no input of a task",
            }[key]  # fmt: skip
            where = "put it into augment" if key in ("images", "views") and call.name in PLACES["augment"] else None
            raise error("E403", f"{call.name} {why}", call.span, help=where or f"{key} takes {listed(PLACES[key])}")
        if key == "images" and any(isinstance(x, Interval) for x in [*call.args, *call.keys.values()]):
            raise error("E403", f"{call.name}: a range is drawn, and preprocess is the same for every picture", call.span)
    if unknown:
        raise CnnError(unknown)
    return steps
