"""What names mean, innermost first: named values, shares, parameters, loop variables, blocks, then ops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Union

from cnndsl.errors import Span
from cnndsl.graph.graph import Value
from cnndsl.graph.naming import Scope
from cnndsl.language import syntax as s


class Poison:
    """The value after an error: it flows on and silences what would only follow from it."""


POISON = Poison()
Flow = Union[Value, Poison, None]


@dataclass(frozen=True)
class Word:
    """One of the words that a parameter lists: `option = B | A | C`."""

    text: str
    choices: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, eq=False)
class Interval:
    low: Any
    high: Any


@dataclass(eq=False)
class Env:
    """One body's names, and the bodies around it."""

    parent: Env | None = None
    names: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Span] = field(default_factory=dict)
    defaults: dict[str, dict[str, Any]] = field(default_factory=dict)
    flow: Flow = None  # what `input` means here

    def find(self, name: str) -> Any:
        """What `name` means; None where nothing has that name."""
        env: Env | None = self
        while env is not None:
            if name in env.names:
                return env.names[name]
            env = env.parent
        return None

    def known(self) -> list[str]:
        """Every name that can be seen from here."""
        found: dict[str, None] = {}
        env: Env | None = self
        while env is not None:
            found.update(dict.fromkeys(env.names))
            env = env.parent
        return list(found)

    def default(self, op: str) -> Mapping[str, Any]:
        """The options that `defaults { … }` gave this op, inner ones winning."""
        chain: list[Env] = []
        env: Env | None = self
        while env is not None:
            chain.append(env)
            env = env.parent
        found: dict[str, Any] = {}
        for e in reversed(chain):
            found.update(e.defaults.get(op, {}))
        return found


@dataclass(frozen=True, eq=False)
class BlockValue:
    """A block, or an op, as a value: some of its arguments may be fixed (`bottleneck(stride_in = first)`)."""

    name: str
    block: s.Block | None  # None: an op
    env: Env | None
    fixed: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, eq=False)
class Shared:
    """`share name = steps`: expanded again at each use, with one set of weights."""

    name: str
    pipeline: s.Pipeline
    env: Env
    prefix: tuple[str, ...]
    channels: list[Any]


__all__ = ["POISON", "BlockValue", "Env", "Flow", "Interval", "Poison", "Scope", "Shared", "Word"]
