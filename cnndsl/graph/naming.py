"""Paths that name weights: `stage1.unit2.main.conv_bn3.conv`. Rule 16 of the language, and what may be a name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cnndsl.errors import briefly, error
from cnndsl.graph.op import REGISTRY

RESERVED = frozenset({
    "model", "block", "use", "defaults", "input", "output", "head", "share", "if", "else", "for", "in", "as", "where", "and",
    "or", "not", "true", "false", "train", "eval", "task", "preprocess",
})  # fmt: skip
"""Words that name nothing."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def is_name(word: str) -> bool:
    """Whether the language reads `word` as a name."""
    return _NAME.fullmatch(word) is not None and word not in RESERVED


def is_op(word: str) -> bool:
    """Whether `word` is an op of the language: no name of a value, a share or a block then."""
    return word in REGISTRY and REGISTRY[word].word


def check_name(word: str) -> None:
    """Refuse what cannot name a value: E103 no word, E107 a reserved one, E204 an op."""
    check_word(word)
    if is_op(word):
        raise error("E204", f"{word} is the name of an op", help="choose another name")


def check_word(word: str) -> None:
    """Refuse what cannot even label a branch: E103, E107."""
    if not isinstance(word, str) or _NAME.fullmatch(word) is None:
        raise error("E103", f"{briefly(word)} cannot be a name", help="a name is a word: letters, digits, underscores")
    if word in RESERVED:
        raise error("E107", f"{word} is a reserved word and cannot be a name")


class Scope:
    """A stack of bodies, each counting the words it has seen. `segment("conv")` gives `conv`, then `conv2`, …

    names: what each body has named, for the graph API (the language knows it from its own scopes). head: the head that
    layers made now belong to. shared: whether they take the weights of their names that are there already.
    """

    def __init__(self) -> None:
        self.prefix: list[str] = []
        self.counts: list[dict[str, int]] = [{}]
        self.names: list[set[str]] = [set()]
        self.head = ""
        self.shared = False

    def segment(self, word: str) -> str:
        """The next free segment for `word` in the innermost body."""
        seen = self.counts[-1]
        seen[word] = seen.get(word, 0) + 1
        return word if seen[word] == 1 else f"{word}{seen[word]}"

    def path(self, segment: str) -> str:
        return ".".join([*self.prefix, segment])

    def declare(self, name: str) -> None:
        """Take `name` in the innermost body. Raises E103, E107, E204."""
        check_name(name)
        if name in self.names[-1]:
            raise error("E204", f"{name} is declared twice", help="names are unique in a body")
        self.names[-1].add(name)

    @contextmanager
    def inside(self, segment: str) -> Iterator[None]:
        """A body under `segment`: numbering restarts."""
        self.prefix.append(segment)
        self.counts.append({})
        self.names.append(set())
        try:
            yield
        finally:
            self.prefix.pop()
            self.counts.pop()
            self.names.pop()

    @contextmanager
    def elsewhere(self, prefix: Sequence[str]) -> Iterator[None]:
        """A body under the path `prefix`, wherever one stands: where a shared step was defined."""
        before, self.prefix = self.prefix, list(prefix[:-1])
        try:
            with self.inside(prefix[-1]):
                yield
        finally:
            self.prefix = before
