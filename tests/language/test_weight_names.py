"""The names of weights (docs/language.md, "Names of weights") on random bodies: they are what the rules say, told here a
second time and briefly; and an edit renames only later unnamed steps of the same word in the same body.

Every convolution has a number of filters of its own, by which it is found again.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from cnndsl.language.load import load_text

BLOCKS = "block unit(n) { relu -> conv(n, 1x1) }\nblock cell(n) { conv(n, 1x1) as inner }\n"


@dataclass
class Item:
    """kind: `conv`, `unit` and `cell` with so many filters; `body`, `if` and `join` of several bodies; `group`, named steps.

    name: behind `as`.
    """

    kind: str
    filters: int = 0
    name: str = ""
    bodies: list[list[Item]] = field(default_factory=list)
    labels: tuple[str, ...] = ()


class Maker:
    def __init__(self, seed: int) -> None:
        self.draw, self.filters, self.names = random.Random(seed), 0, 0

    def body(self, depth: int = 0) -> list[Item]:
        return [self.item(depth) for _ in range(self.draw.randint(1, 4))]

    def item(self, depth: int) -> Item:
        kinds = ["conv", "conv", "conv", "unit", "cell", *(("body", "if", "join", "join", "group") if depth < 3 else ())]
        kind = self.draw.choice(kinds)
        name = self.name() if self.draw.random() < 0.25 or kind == "group" else ""
        if kind in ("conv", "unit", "cell"):
            return self.step(kind, name)
        if kind == "join":
            labels = tuple(
                self.draw.choice(("main", "skip", "conv1", "deep")) + "abc"[k] for k in range(self.draw.randint(2, 3))
            )
            return Item(kind, 0, name, [self.body(depth + 1) for _ in labels], labels)
        if kind == "group":
            return Item(kind, 0, name, [[self.step("conv", ""), *self.body(depth + 1)]])
        return Item(kind, 0, "", [self.body(depth + 1)])

    def step(self, kind: str, name: str = "") -> Item:
        self.filters += 1
        return Item(kind, self.filters, name)

    def name(self) -> str:
        self.names += 1
        return f"given{self.names}"


def text(body: list[Item], depth: int = 1) -> Iterator[str]:
    """The lines of a body."""
    pad = "    " * depth
    for x in body:
        named = f" as {x.name}" if x.name else ""
        if not x.bodies:
            yield f"{pad}{x.kind}({x.filters}{', 1x1' if x.kind == 'conv' else ''}){named}"
            continue
        yield pad + {"if": "if true {", "join": "concat {"}.get(x.kind, "{")
        if x.kind == "join":
            for label, inner in zip(x.labels, x.bodies, strict=True):
                yield f"{pad}    {label}: {{"
                yield from text(inner, depth + 2)
                yield f"{pad}    }}"
        else:
            yield from text(x.bodies[0], depth + 1)
        yield f"{pad}}}{named}"


def told(body: list[Item], path: tuple[str, ...] = (), counts: Counter[str] | None = None) -> Iterator[tuple[int, str]]:
    """(filters, path) of every convolution, by the rules."""
    counts = Counter() if counts is None else counts

    def segment(word: str) -> str:
        counts[word] += 1
        return word if counts[word] == 1 else f"{word}{counts[word]}"

    for x in body:
        if not x.bodies:
            inner = {"conv": (), "unit": ("conv",), "cell": ("inner",)}[x.kind]
            yield x.filters, ".".join((*path, x.name or segment(x.kind), *inner))
            continue
        below, numbers = ((*path, x.name), Counter[str]()) if x.name else (path, counts)
        if x.kind == "join":
            for label, branch in zip(x.labels, x.bodies, strict=True):
                numbers[label] += 1
                one = label if numbers[label] == 1 else f"{label}{numbers[label]}"
                yield from told(branch, (*below, one))
        else:
            yield from told(x.bodies[0], below, numbers)


def found(body: list[Item]) -> dict[int, str]:
    """filters → path, as the language names them."""
    net = load_text(f"{BLOCKS}model m {{\n    input image: 2x2x1\n" + "\n".join(text(body)) + "\n}\n")
    weights = {name: state for name, state in net.graph.state.items() if name.endswith(".weight")}
    return {state.type.sizes[-1]: name.removesuffix(".weight") for name, state in weights.items()}


def bodies(body: list[Item]) -> Iterator[list[Item]]:
    yield body
    for x in body:
        for inner in x.bodies:
            yield from bodies(inner)


def number(path: str) -> int:
    """Of the step's own segment: 1 for `conv`, 2 for `conv2`."""
    return int(path.rpartition(".")[2].removeprefix("conv") or 1)


def test_names_are_what_the_rules_say() -> None:
    for seed in range(80):
        body = Maker(seed).body()
        assert found(body) == dict(told(body)), "\n".join(text(body))


def test_an_edit_renames_only_later_unnamed_steps_of_the_word_in_the_body() -> None:
    others = 0
    for seed in range(80):
        maker = Maker(seed)
        body = maker.body()
        before = found(body)
        where = maker.draw.choice(list(bodies(body)))
        new = maker.step("conv", maker.name() if maker.draw.random() < 0.3 else "")
        where.insert(maker.draw.randint(0, len(where)), new)
        after = found(body)
        changed = [(path, after[n]) for n, path in before.items() if after[n] != path]
        others += len(changed)
        assert not (new.name and changed), "a name pins"
        stem = after[new.filters].rpartition(".")[0]
        for old, now in changed:
            assert old.rpartition(".")[0] == now.rpartition(".")[0] == stem, "\n".join(text(body))
            assert number(now) == number(old) + 1 > number(after[new.filters])
    assert others > 20
