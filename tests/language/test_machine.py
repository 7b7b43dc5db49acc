"""The loop that runs the tables takes what lark takes, and stops where lark stops."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from cnndsl.language.bundled import grammar
from cnndsl.language.load import bundled_models
from cnndsl.language.syntax.machine import END, Build, Unexpected
from cnndsl.language.syntax.machine import Token as Token_
from cnndsl.language.syntax.parse import _KEPT, _RULES, _machine

sys.path.insert(0, str(Path(__file__).parent))
from mutations import mutated, sources


class Newlines:
    """Drops the newlines inside ( ) and [ ]."""

    always_accept = ("_NL",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        open_: list[str] = []
        for token in stream:
            if token.type in ("LPAR", "LSQB", "LBRACE"):
                open_.append(token.type)
            elif token.type in ("RPAR", "RSQB", "RBRACE") and open_:
                open_.pop()
            if token.type != "_NL" or not open_ or open_[-1] == "LBRACE":
                yield token


@pytest.fixture(scope="module")
def judge() -> Lark:
    return Lark(
        grammar(), start=["start", "value"], parser="lalr", lexer="contextual", postlex=Newlines(),
        keep_all_tokens=True, maybe_placeholders=False, propagate_positions=True,
    )  # fmt: skip


def folded(x: Tree[Token] | Token) -> Any:
    """(rule, begin, end, parts), without the tokens that carry no meaning."""
    if isinstance(x, Token):
        return (x.type, str(x), x.start_pos, x.end_pos) if x.type in _KEPT else None
    begin, end = (0, 0) if x.meta.empty else (x.meta.start_pos, x.meta.end_pos)
    parts = [folded(part) for part in x.children]
    return x.data, begin, end, tuple(part for part in parts if part is not None)


def judged(lark: Lark, text: str, start: str) -> Any:
    """lark's tree, or where it stops, at what, and what it expected there."""
    try:
        return folded(lark.parse(text, start=start))
    except UnexpectedToken as e:
        at = len(text) if e.token.type == END else e.token.start_pos
        return at, e.token.type, set(e.expected)
    except UnexpectedCharacters as e:
        return e.pos_in_stream, "", set(e.allowed)
    except UnexpectedInput as e:
        raise AssertionError(text) from e


def builder(name: str) -> Build:
    def build(begin: int, end: int, parts: list[Any]) -> Any:
        told = [(x.type, x.text, x.start, x.end) if isinstance(x, Token_) else x for x in parts]
        return name, begin, end, tuple(told)

    return build


BUILDERS = {name: builder(name) for name in _RULES}


def found(text: str, start: str) -> Any:
    try:
        return _machine().run(text, start, BUILDERS)
    except Unexpected as e:
        return e.at, e.kind, e.expected


def test_every_rule_is_built() -> None:
    """A rule without a builder would pass its parts on unseen."""
    assert {name for name, _ in _machine().rules if not name.startswith("_")} == set(_RULES)


@pytest.mark.parametrize("path", sorted(set(bundled_models().values())), ids=lambda p: p.stem)
def test_every_model_has_the_tree_that_lark_gives_it(judge: Lark, path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = found(text, "start")
    assert tree[0] == "start"
    assert tree == judged(judge, text, "start")


def compare(judge: Lark, seed: int, count: int) -> int:
    """How many of some mutated texts are well formed; each is read as lark reads it."""
    draw, texts, taken = random.Random(seed), sources(), 0
    for _ in range(count):
        text, _model = mutated(draw, texts)
        tree = found(text, "start")
        assert tree == judged(judge, text, "start"), text
        taken += tree[0] == "start"
    return taken


def test_mutated_texts_are_read_as_lark_reads_them(judge: Lark) -> None:
    assert 0 < compare(judge, 3, 100) < 100


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(10, 20))
def test_a_thousand_mutated_texts_are_read_as_lark_reads_them(judge: Lark, seed: int) -> None:
    assert 0 < compare(judge, seed, 1000) < 1000


@pytest.mark.parametrize(
    "text", ["", " ", "1", "1 -> ", "a -> b(c = 1..2) -> d", "(1", "1)", "[1, 2", "[1,\n 2]", "1 2", "a.b[1].c", "@", "not"]
)
def test_values_are_read_as_lark_reads_them(judge: Lark, text: str) -> None:
    assert found(text, "value") == judged(judge, text, "value")
