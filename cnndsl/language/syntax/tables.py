"""The parser's tables, which lie beside the grammar: making them takes 0.13 s, reading them 0.001.

They belong to the package, and no folder of a user's keeps any: other tables could give a model another meaning. Where the
grammar is not the one that they were made from, someone is changing it, and they are made as the program starts.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from cnndsl.language.bundled import bundled, grammar

FILE = "cnn.json"
"""Written by `generate`."""


def digest(grammar: str) -> str:
    """What a grammar's text is known by."""
    return hashlib.sha256(grammar.encode()).hexdigest()


def tables() -> dict[str, Any]:
    """The tables of the bundled grammar, as `generate` describes them."""
    text = grammar()
    path = bundled("grammars") / FILE
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if found.get("grammar") != digest(text):
        from cnndsl.language.syntax.generate import generate

        found = generate(text)
    return found
