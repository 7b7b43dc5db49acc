"""One option of an entry changed, the rest of its call kept: `train.optimizer.rate=2` on a command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cnndsl.errors import Source, error, in_words
from cnndsl.language import vocabulary as words
from cnndsl.language.recipe import Call, LossTerm, Pipeline
from cnndsl.language.recipes import given_entry, plain
from cnndsl.language.spelling import listed, nearest
from cnndsl.language.syntax.parse import parse_value
from cnndsl.language.writing.recipe import entry, loss, value

OPTIONS: Mapping[str, Mapping[str, words.Options]] = {
    "optimizer": words.OPTIMIZERS, "schedule": words.SCHEDULES, "loss": words.LOSSES, "clip": words.CLIPS,
    "average": words.AVERAGES, "augment": words.STEPS, "input": words.STEPS, "views": words.STEPS, "metrics": words.METRICS,
}  # fmt: skip
"""entry → its words with their options."""


def whole_entries(kind: str, given: Mapping[str, str], now: Callable[[str], Any]) -> dict[str, str]:
    """`given` with each `entry.option` made the whole entry: that of `given` or else what holds `now`, one option changed.

    Raises E401 where an entry has no options or is not set, E402 where none of its words has the option, E403 where several
    have.
    """
    found = {key: in_words(text) for key, text in given.items() if "." not in key}  # a number will do
    for name, text in given.items():
        key, dot, option = name.partition(".")
        if dot:
            before = given_entry(key, found[key], kind)[0] if key in found else now(key)
            found[key] = _changed(kind, key, option, in_words(text), before)
    return found


def _changed(kind: str, key: str, option: str, text: str, before: Any) -> str:
    if key not in OPTIONS:
        given_entry(key, text, kind)  # E401 where there is no such entry
        raise error("E401", f"{key} has no options", help=f"it is set whole: {kind}.{key}={text}")
    vocabulary = OPTIONS[key]
    calls = _calls(key, before)
    known = [word for word in vocabulary if option in vocabulary[word]]
    own = [k for k, call in enumerate(calls) if call.name in known]
    example = f'{known[0]} has it: {kind}.{key}="{known[0]}({option} = {text})"' if known else None
    if not calls:
        raise error("E401", f"{kind} has no {key} whose {option} could be changed", help=example)
    if not own:
        near = nearest(option, sorted({o for call in calls for o in vocabulary.get(call.name, {})}))
        raise error("E402", f"{listed([c.name for c in calls])} has no option {option}", help=near or example)
    if len(own) > 1:
        help = f'give {key} whole: {kind}.{key}="{entry(key, before)}"'
        raise error("E403", f"several steps of {key} have an option {option}", help=help)
    call, new = calls[own[0]], plain(parse_value(Source(f"{kind}.{key}.{option}", text)))
    unnamed = list(vocabulary[call.name])[: len(call.args)] if key != "loss" else []
    if option in unnamed:
        call = replace(call, args=tuple(new if o == option else x for o, x in zip(unnamed, call.args, strict=True)))
    else:
        call = replace(call, keys={**call.keys, option: new})
    if key == "loss":
        return loss([replace(t, call=call) if k == own[0] else t for k, t in enumerate(before)])
    parts = [value(call if k == own[0] else c) for k, c in enumerate(calls)]
    return f"[{', '.join(parts)}]" if key == "metrics" else " -> ".join(parts)


def _calls(key: str, before: Any) -> Sequence[Call]:
    """The calls of an entry as a file writes it."""
    if before is None or before == ():
        return ()
    if key == "loss":
        return [t.call for t in before if isinstance(t, LossTerm)]
    found = plain(parse_value(Source("<recipe>", entry(key, before))))
    parts = found.steps if isinstance(found, Pipeline) else found if isinstance(found, tuple) else (found,)
    return [x if isinstance(x, Call) else Call(str(x)) for x in parts]
