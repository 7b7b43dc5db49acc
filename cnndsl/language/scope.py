"""Scopes: what a name means where it stands, and what an expansion carries along.

A word means the innermost of: named value, share, parameter, loop variable, block; then op.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cnndsl.errors import CnnError, Frame, Label, Span, error
from cnndsl.graph.op import REGISTRY, Op
from cnndsl.language.spelling import listed, nearest
from cnndsl.language.syntax import tree


class Poison:
    """What stands for a value after an error that was reported: everything made of it is silent."""

    def __repr__(self) -> str:
        return "POISON"


POISON = Poison()


class Poisoned(Exception):  # noqa: N818  (the error was reported before)
    """An expression needs something that an error, already reported, has taken away."""


@dataclass(frozen=True)
class OpenWords:
    """The words of a parameter whose default is one bare word: any word, checked where it is used."""


Words = tuple[str, ...] | OpenWords


@dataclass(frozen=True, slots=True)
class Binding:
    """kind: value (a tensor), share, parameter, loop or block. words: those a parameter may take."""

    kind: str
    value: Any
    words: Words = ()
    span: Span | None = None


class Env:
    """One scope. Children see their parents; what an expansion carries (frames, depth, head) is inherited."""

    __slots__ = ("defaults", "depth", "frames", "head", "input", "names", "parent", "shared", "symbols", "top")

    def __init__(self, parent: Env | None = None, **changes: Any) -> None:
        self.parent = parent
        self.names: dict[str, Binding] = {}
        self.defaults: Mapping[str, Mapping[str, Any]] = parent.defaults if parent else {}
        self.frames: tuple[Frame, ...] = parent.frames if parent else ()
        self.depth: int = parent.depth if parent else 0
        self.head: str = parent.head if parent else ""
        self.shared: bool = parent.shared if parent else False
        self.input: Any = parent.input if parent else None  # the value that came in
        self.symbols: dict[str, Any] = parent.symbols if parent else {}
        self.top = False  # a model's own body
        for key, x in changes.items():
            setattr(self, key, x)

    def find(self, name: str) -> Binding | None:
        env: Env | None = self
        while env is not None:
            found = env.names.get(name)
            if found is not None:
                return found
            env = env.parent
        return None

    def visible(self) -> list[str]:
        """Every name that means something here."""
        names: list[str] = []
        env: Env | None = self
        while env is not None:
            names += env.names
            env = env.parent
        return names

    def declare(self, name: tree.Name, binding: Binding) -> None:
        """Bind a name that `as`, `share`, `block` or `input` declares. Raises E204 where it is taken."""
        self.free(name)
        self.names[name.text] = binding

    def free(self, name: tree.Name) -> None:
        """Raises E204 where a name is taken."""
        other = self.names.get(name.text)
        if other is not None and other.kind != "parameter":
            related = (Label(other.span, "declared here first"),) if other.span is not None else ()
            help = "names are unique in a body"
            raise error("E204", f"{name.text} is declared twice", name.span, related=related, help=help)
        if name.text in words():
            raise error("E204", f"{name.text} is the name of an op", name.span, help="choose another name")
        found = self.find(name.text)
        if found is not None and found.kind == "block":
            raise error("E204", f"{name.text} is the name of a block", name.span, help="choose another name")


@dataclass(frozen=True)
class BlockValue:
    """A block, with some of its arguments fixed: (values bound by name)."""

    block: tree.Block | tree.ModelItem
    env: Env = field(repr=False, compare=False)
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.block.name.text


@dataclass(frozen=True)
class OpValue:
    """An op as the argument of a block, with some of its options fixed."""

    op: Op
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.op.name


@dataclass(frozen=True, slots=True)
class ShareValue:
    """A shared step: its text, where it was defined, and the path that its weights have."""

    pipeline: tree.Pipeline
    env: Env
    path: str


def words() -> dict[str, Op]:
    """The ops that the language offers, by name."""
    import cnndsl.ops  # noqa: F401  (fills the registry)

    return _words(len(REGISTRY))


@cache
def _words(count: int) -> dict[str, Op]:
    """Of a registry of `count` ops: it only grows."""
    return {name: op for name, op in REGISTRY.items() if op.word}


def op_value(name: str) -> OpValue | None:
    """The op of that name, with nothing fixed: the same record each time."""
    return _op_value(len(REGISTRY), name)


@cache
def _op_value(count: int, name: str) -> OpValue | None:
    """Of a registry of `count` ops."""
    op = words().get(name)
    return OpValue(op) if op is not None else None


__all__ = [
    "POISON",
    "Binding",
    "BlockValue",
    "CnnError",
    "Env",
    "OpValue",
    "OpenWords",
    "Poisoned",
    "ShareValue",
    "Words",
    "listed",
    "nearest",
    "op_value",
    "words",
]
