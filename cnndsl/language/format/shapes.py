"""with_shapes: a text laid out with checked shapes: those that stand there refreshed, those that say more written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnndsl.errors import CnnError, Diagnostic, Source
from cnndsl.graph.sizes import Affine, Size
from cnndsl.language.elaborate import MOST_STEPS, Elaborator
from cnndsl.language.files import Definitions, define, needs
from cnndsl.language.format.layout import formatted
from cnndsl.language.load import LONGEST_CHAIN, elaborated, ordered
from cnndsl.language.scope import POISON, Env, Poisoned
from cnndsl.language.syntax import tree
from cnndsl.language.syntax.walk import records
from cnndsl.language.tasks import Enough, Task, uncollected

MOST_ROUNDS = 4
"""A new note may make its line too long, and a line that is broken may have room for another."""
_END_OF_LINE = re.compile(r"[ \t\r]*(?:#[^\n]*)?(?:\n|$)")
_PLAIN = re.compile(r"\d+|_|[A-Z]\d*")
_SYMBOL = re.compile(r"[A-Z]\d*")

Sizes = tuple[Size, ...]
_Made = tuple[str, Mapping[str, Any]]
"""A model that can be built: its name and its arguments."""


@dataclass
class Seen:
    """What elaborations met in one file, by place.

    notes: at the start of a shape the sizes there, and those written (None for `_`). lines: at the end of a line of a
    model's own body the sizes before it (None where nothing flowed) and after it.
    """

    file: str
    notes: dict[int, list[tuple[Sizes, list[Any]]]] = field(default_factory=dict)
    lines: dict[int, list[tuple[Sizes | None, Sizes]]] = field(default_factory=dict)

    def add(self, other: Seen) -> None:
        for start, met in other.notes.items():
            self.notes.setdefault(start, []).extend(met)
        for end, pairs in other.lines.items():
            self.lines.setdefault(end, []).extend(pairs)


class Looking(Elaborator):
    """An elaboration that keeps what it meets at notes instead of checking them."""

    def __init__(self, name: str, file: str) -> None:
        super().__init__(name)
        self.met = Seen(file)
        self.given: Mapping[str, Any] = {}
        """The model's arguments."""

    def statement(self, x: tree.Statement, value: Any, env: Env) -> Task:
        after = yield super().statement(x, value, env)
        if isinstance(x, tree.Pipeline) and env.top and x.span.source.name == self.met.file:
            found = _sizes(after)
            if found is not None and value is not POISON:
                self.met.lines.setdefault(x.span.end, []).append((_sizes(value), found))
        return after

    def checked(self, shape: tree.Shape, value: Any, env: Env) -> Any:
        wanted = self.wanted(shape, env)
        found = _sizes(value)
        if found is not None and not any(w is POISON for w in wanted) and shape.span.source.name == self.met.file:
            self.met.notes.setdefault(shape.span.start, []).append((found, wanted))
        return value


def _sizes(value: Any) -> Sizes | None:
    return None if value is None or value is POISON else tuple(value.type.shape[1:])


def with_shapes(source: Source, folder: Path | None) -> tuple[str, list[Diagnostic]]:
    """The text of `source` laid out, with shapes, and the errors that kept models from being built, whose shapes then stay.

    A note that holds stays as it is. One that does not gets the sizes on which all models and calls of this file agree,
    `_` where they differ and where the writer put it. A line of a model's own body without a note gets one where it makes
    another shape, save vectors that say their size themselves; `_` where a size depends on a parameter. Raises what
    `formatted` raises.
    """
    text = formatted(source)
    found: list[Diagnostic] = []
    for _ in range(MOST_ROUNDS):
        try:
            with uncollected():
                new, found = _noted(Source(source.name, text), folder)
        except CnnError as e:  # E110: there is no model, and nothing to write
            return text, [d for d in e.diagnostics if d.code != "E110"]
        new = formatted(Source(source.name, new))
        if new == text:
            break
        text = new
    return text, found


def _noted(source: Source, folder: Path | None) -> tuple[str, list[Diagnostic]]:
    definitions = define(source, folder)
    assert definitions.file is not None
    seen, wrong = Seen(source.name), list(definitions.found)
    built: dict[int, list[_Made]] = {}  # a model's body → the models made of it
    for name, (item, _) in definitions.models.items():
        if item.span.source.name != source.name or needs(item):
            continue
        looking = _look(definitions, name, {})
        wrong += looking.found
        if not looking.found:
            seen.add(looking.met)
            built.setdefault(id(_template(definitions, name)), []).append((name, looking.given))
    taken = {x.text for r in records(definitions.file) for x in _declared(r)}
    edits: list[tuple[int, int, str]] = []
    for x in records(definitions.file):
        match x:
            case tree.Step(check=tree.Shape() as shape) if (new := _refreshed(shape, seen, taken)) is not None:
                edits.append((shape.span.start, shape.span.end, new))
            case tree.ModelItem() if id(x) in built:
                edits += _written(x, seen, taken, definitions, built[id(x)])
    pieces, at = [], 0
    for start, end, new in sorted(edits):
        pieces += [source.text[at:start], new]
        at = end
    return "".join([*pieces, source.text[at:]]), ordered(wrong)


def _look(definitions: Definitions, name: str, arguments: Mapping[str, Any]) -> Looking:
    """Expand one model."""
    looking = Looking(name, definitions.source.name)
    try:
        looking.given = elaborated(looking, definitions, name, arguments)
    except CnnError as e:
        looking.found += e.diagnostics
    except (Enough, Poisoned):
        pass
    return looking


def _template(definitions: Definitions, name: str) -> tree.ModelItem | tree.Instance:
    """The model with a body that `name` is made of."""
    item = definitions.models[name][0]
    for _ in range(LONGEST_CHAIN):
        if isinstance(item, tree.ModelItem):
            break
        item = definitions.models[item.template.text][0]
    return item


def _declared(x: tree.Syntax) -> Iterator[tree.Name]:
    """The names that `x` gives to anything: a symbol of the same name cannot stand in a note."""
    match x:
        case tree.Param() | tree.Block() | tree.Share():
            yield x.name
        case tree.Step() if x.name is not None:
            yield x.name
        case tree.For():
            yield from x.names


# The text of a note -----------------------------------------------------------------------------------------------------


def _refreshed(shape: tree.Shape, seen: Seen, taken: set[str]) -> str | None:
    """What should stand in a note's place; None where it holds, was never met, or no note could hold."""
    met = seen.notes.get(shape.span.start, [])
    if all(len(w) == len(s) and all(map(_holds, w, s)) for s, w in met):
        return None
    if len({len(sizes) for sizes, _ in met}) != 1 or not met[0][0]:
        return None
    old = shape.parts if len(shape.parts) == len(met[0][0]) else None
    parts = []
    for k, size in enumerate(_agreed([sizes for sizes, _ in met], taken)):
        if old is not None and all(_holds(w[k], s[k]) for s, w in met):
            parts.append(_text(old[k], shape))
        else:
            parts.append(size)
    return "x".join(parts) if all(map(_PLAIN.fullmatch, parts)) else f"[{', '.join(parts)}]"


def _holds(wanted: Any, size: Size) -> bool:
    return wanted is None or bool(wanted == size)


def _text(part: tree.Expr, shape: tree.Shape) -> str:
    """One part of a note as it is written."""
    if shape.listed:
        return " ".join(shape.span.source.text[part.span.start : part.span.end].split())
    return str(part.value) if isinstance(part, tree.Literal) else part.text if isinstance(part, tree.Name) else "_"


def _agreed(shapes: Sequence[Sizes], taken: set[str]) -> list[str]:
    """Each size that is the same everywhere and one number or symbol; `_` for the others."""
    found = []
    for sizes in zip(*shapes, strict=True):
        text = sizes[0].drawn() if isinstance(sizes[0], Affine) else str(sizes[0])
        plain = isinstance(sizes[0], int) or (_SYMBOL.fullmatch(text) is not None and text not in taken)
        found.append(text if plain and all(s == sizes[0] for s in sizes) else "_")
    return found


# New notes --------------------------------------------------------------------------------------------------------------


def _written(
    item: tree.ModelItem, seen: Seen, taken: set[str], definitions: Definitions, built: Sequence[_Made]
) -> Iterator[tuple[int, int, str]]:
    """The notes that a model's own body lacks."""
    wanted: list[tuple[tree.Pipeline, list[str], list[tuple[Sizes | None, Sizes]]]] = []
    for x in item.body.statements:
        if not isinstance(x, tree.Pipeline) or x.steps[-1].check is not None:
            continue
        if not _END_OF_LINE.match(item.span.source.text, x.span.end):
            continue
        pairs = seen.lines.get(x.span.end, [])
        if len({len(after) for _, after in pairs}) == 1 and any(_tells(x, before, after) for before, after in pairs):
            wanted.append((x, _agreed([after for _, after in pairs], taken), pairs))
    if not wanted:
        return
    others, steps = Seen(definitions.source.name), 0
    for name, change in ((name, change) for name, given in built for change in _variations(item, given)):
        looking = _look(definitions, name, change)
        others.add(looking.met)
        steps += looking.steps
        if steps > MOST_STEPS:
            if name == built[0][0]:
                return  # so large a model has the notes that its writer gives it
            break
    for x, parts, pairs in wanted:
        for _, after in others.lines.get(x.span.end, []):
            sizes = pairs[0][1]
            same = len(after) == len(sizes)
            parts = [p if same and after[k] == sizes[k] else "_" for k, p in enumerate(parts)]
        if any(p != "_" for p in parts):
            yield x.span.end, x.span.end, f" : {'x'.join(parts)}"


def _tells(x: tree.Pipeline, before: Sizes | None, after: Sizes) -> bool:
    """Whether the shape after a line says more than the line and the shape before it."""
    if before == after or not after:
        return False
    if len(after) > 1:
        return True
    said = {r.value for r in records(x) if isinstance(r, tree.Literal)}
    return before is None or (len(before) > 1 and after[0] != before[-1] and after[0] not in said)


def _variations(item: tree.ModelItem, given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Arguments unlike those given, one parameter at a time: a size that changes with one is not to be fixed by a note."""
    for param in item.params:
        value = given.get(param.name.text)
        if isinstance(param.default, tree.Choices):
            others: Iterable[Any] = [w.text for w in param.default.words if w.text != value]
        elif isinstance(value, bool):
            others = [not value]
        elif isinstance(value, (int, float)):
            others = [value + 1, value + 2, value * 2]
        elif isinstance(value, tuple) and value and all(type(v) in (int, float) for v in value):
            others = [[v + 1 for v in value], [v * 2 for v in value], [*value, value[-1]]]
        else:
            continue
        for other in others:
            yield {param.name.text: other}
