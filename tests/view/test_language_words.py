"""`cnndsl explain block`: the words of the language, and examples that are what they say."""

from __future__ import annotations

from typing import Any

import pytest

from cnndsl.graph.joins import JOINS
from cnndsl.graph.naming import RESERVED
from cnndsl.language.load import load_text
from cnndsl.view import language_words, recipe_words
from cnndsl.view.language_words import SAME, WORDS
from cnndsl.view.ops import JOINED, word_ops


@pytest.mark.parametrize("word", [w for w in WORDS if WORDS[w].example])
def test_examples_are_sound_and_of_their_word(word: str) -> None:
    one = WORDS[word]
    text = f"model example {{\ninput image: 32x32x16\n{one.example}\n}}\n" if one.steps else one.example
    found = load_text(text)
    assert not [d for d in found.warnings if d.code not in ("W403", "W404", "W405", "W406")], found.warnings
    assert word in one.example or word in ("repeat", "branch")


def test_every_word_of_the_language_is_explained() -> None:
    options = {
        word for op in word_ops() for words in op.words.values() for word in words if word.isidentifier() and word != "_"
    }
    ops = {op.name for op in word_ops()}
    missing = [w for w in sorted(RESERVED | options) if not language_words.pages(w) + recipe_words.pages(w) and w not in ops]
    assert missing == []
    assert set(SAME.values()) <= set(WORDS) and not set(SAME) & set(WORDS)


@pytest.mark.parametrize("op", JOINS)
def test_how_branches_are_written(op: str, cli: Any) -> None:
    text = JOINED.replace("NAME", op)
    load_text(f"model example {{\ninput image: 32x32x16\n{text}\n}}\n")
    assert text.splitlines()[1].strip() in cli("explain", op).out


def test_explain(cli: Any) -> None:
    assert cli("explain", "block").out.startswith("block: a piece of a network with a name")
    same = cli("explain", "same").out
    assert same.startswith("same: a word for pad of avg_pool, conv") and "ceil(input / stride)" in same
    both = cli("explain", "input").out
    assert both.startswith("input: what a model takes") and "input: an entry of task" in both
    assert cli("explain", "label").out.startswith("label: A branch of a join")
    assert "did you mean defaults?" in cli("explain", "default").err
    assert cli("explain", "tanh").out.count("tanh: ") == 1
