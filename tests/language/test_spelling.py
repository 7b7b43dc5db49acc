"""The nearest spelling, words of other tools, and habits of other languages: every row of their tables is held."""

from __future__ import annotations

import importlib.util
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cnndsl.errors import CnnError, Source
from cnndsl.language import vocabulary
from cnndsl.language.foreign import ADVICE, NAMES
from cnndsl.language.scope import words
from cnndsl.language.spelling import folded, nearest
from cnndsl.language.syntax import recover
from cnndsl.language.syntax.habits import HABITS
from cnndsl.language.syntax.parse import parse
from cnndsl.language.syntax.scan import ITEMS

OPS = words()
OPTIONS = sorted({f.name for op in OPS.values() for f in op.fields()})
TABLES = (vocabulary.OPTIMIZERS, vocabulary.SCHEDULES, vocabulary.LOSSES, vocabulary.STEPS, vocabulary.METRICS)
KEYS = [*vocabulary.TRAIN_KEYS, *vocabulary.EVAL_KEYS, *vocabulary.TASK_KEYS, *vocabulary.PREPROCESS_KEYS]
KNOWN = {
    *OPS, *OPTIONS, *KEYS, *ITEMS, "true", "false", *vocabulary.PRECISIONS,
    *(word for op in OPS.values() for listed in op.words.values() for word in listed),
    *(name for table in TABLES for name in table),
    *(name for table in TABLES for options in table.values() for name in options),
    *(word for table in TABLES for options in table.values() for option in options.values() for word in option.words),
}  # fmt: skip


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("ReLU", OPS, "relu"), ("Conv", OPS, "conv"), ("False", ["true", "false"], "false"), ("maxpool", OPS, "max_pool"),
        ("Conv2d", OPS, "conv"), ("BatchNorm", OPS, "batch_norm"), ("swish", OPS, "silu"), ("linear", OPS, "dense"),
        ("fc", OPS, "dense"), ("Dropout2d", OPS, "spatial_dropout"), ("Dropout", OPS, "dropout"), ("padding", OPTIONS, "pad"),
        ("kernel_size", ["filters", "kernel"], "kernel"), ("kernel_size", ["window", "stride"], "window"),
        ("out_channels", ["filters", "kernel"], "filters"), ("out_features", ["units", "bias"], "units"),
        ("lr", vocabulary.OPTIMIZERS["sgd"], "rate"), ("strides", OPTIONS, "stride"), ("rellu", OPS, "relu"),
        ("fc", ["fc_", "dense"], "fc_"), ("linear", vocabulary.SCHEDULES, "linear"),
    ],
)  # fmt: skip
def test_the_word_that_is_meant(word: str, known: Any, meant: str) -> None:
    assert nearest(word, known) == f"did you mean {meant}?"


def test_nothing_near_is_nothing() -> None:
    assert nearest("zzz", OPS) is None
    assert nearest("", OPS) is None
    assert nearest("relu", []) is None


def test_words_of_other_tools_are_folded_and_lead_to_words_of_ours() -> None:
    for word, ours in NAMES.items():
        assert folded(word) == word or word[-2:] in ("1d", "2d", "3d"), word
        assert word.isalnum(), word
        assert set(ours) <= KNOWN, word


def test_advice_stands_where_one_of_our_words_could() -> None:
    for word, rows in ADVICE.items():
        assert folded(word) == word
        for places, says in rows:
            assert set(places) <= KNOWN, word
            assert nearest(word, places) in {other for there, other in rows if set(there) & set(places)}, (word, says)


def test_every_habit_is_provoked(monkeypatch: pytest.MonkeyPatch) -> None:
    """By one of the texts whose messages are held by golden files."""
    spec = importlib.util.spec_from_file_location("beginners", Path(__file__).with_name("beginners.py"))
    assert spec is not None
    assert spec.loader is not None
    cases = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cases)
    met = []
    real = recover.habit

    def noted(*given: Any) -> Any:
        found = real(*given)
        met.append(found[1] if found else None)
        return found

    monkeypatch.setattr(recover, "habit", noted)
    for text in cases.BAD.values():
        with suppress(CnnError):
            parse(Source("m.cnn", text))
    assert [row.pattern.pattern for row in HABITS if row not in met] == []
