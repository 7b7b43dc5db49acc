"""The language's words as methods of a value: `x.conv(6, (5, 5), pad=2).tanh()`.

They come from the op records when they are asked for. `words.pyi` beside this file spells them out for editors and
type checkers; a test writes it from the records and holds it to them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnndsl.graph.op import REGISTRY


class Words:
    """What makes op words methods of a `Value`."""

    __slots__ = ()

    def __getattr__(self, word: str) -> Callable[..., Any]:
        op = REGISTRY.get(word)
        if op is None or not op.word:
            raise AttributeError(f"{word!r} is neither a property of a value nor the name of an op")
        graph = self.node.graph  # type: ignore[attr-defined]

        def apply(*args: Any, name: str | None = None, **keys: Any) -> Any:
            from cnndsl.graph.layers import apply_word

            return apply_word(graph, op, self, args, keys, name)  # type: ignore[arg-type]

        return apply

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name, op in REGISTRY.items() if op.word)]
