"""`words.pyi`, which tells editors the methods of a value, says what the op records say."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import cnndsl.graph.words
from cnndsl.graph.op import Op
from cnndsl.ops import OPS

STUB = Path(cnndsl.graph.words.__file__).with_suffix(".pyi")
HEAD = '''"""The methods of a value, one for each word of the language; written by tests/graph/test_words.py."""

from typing import Any

from cnndsl.graph.graph import Value

class Words:
'''


def method(op: Op) -> str:
    """The stub of one word: its further operands, its options with their defaults, and the name of the layer."""
    parts = ["self"] + (["*others: Value"] if op.inputs is None else [])
    for f in op.fields():
        if f.name == "count":  # fixed by the op itself
            continue
        needed = f.default is dataclasses.MISSING
        kind = f.type if isinstance(f.type, str) else f.type.__name__
        parts.append(f"{f.name}: {kind}" + ("" if needed else f" = {f.default!r}".replace("'", '"')))
    parts += [] if op.inputs is None else ["*"]
    parts.append("name: str | None = None")
    return f"    def {op.name}({', '.join(parts)}) -> Value: ...\n"


def test_the_stub_says_what_the_records_say(request: pytest.FixtureRequest) -> None:
    text = HEAD + "".join(method(op) for op in sorted(OPS, key=lambda op: op.name) if op.word)
    if request.config.getoption("--update-golden"):
        STUB.write_text(text, encoding="utf-8")
    assert STUB.read_text(encoding="utf-8") == text


def test_words_are_methods() -> None:
    from cnndsl.graph.graph import Graph

    x = Graph("g").input("image", (8, 8, 3))
    assert "conv" in dir(x)
    assert x.conv(4, (3, 3)).relu().shape[1:] == (6, 6, 4)
    with pytest.raises(AttributeError, match="nor the name of an op"):
        x.convolve(4)
