"""The collector of cycles is back after a text was read, with nothing more to walk; what a caller froze stays frozen."""

from __future__ import annotations

import gc
import weakref

import pytest

from cnndsl.errors import CnnError
from cnndsl.language.load import load_text

LARGE = "model m { input image: 8x8x1\n { conv(4, 1x1) } * 8000 }"


def test_much_that_was_built_is_among_the_oldest_objects() -> None:
    gc.collect()
    kept = load_text(LARGE)
    assert gc.isenabled()
    assert sum(gc.get_count()) < 1000
    assert kept is not None


def test_the_collector_is_back_after_an_error() -> None:
    with pytest.raises(CnnError):
        load_text("model m {")
    assert gc.isenabled()


def test_a_large_graph_that_was_dropped_is_gone_after_the_next_text() -> None:
    dropped = weakref.ref(load_text(LARGE).graph)
    load_text("model m { input image: 8x8x1\n relu }")
    assert dropped() is None


def test_graphs_that_were_dropped_do_not_pile_up() -> None:
    """A thousand texts are what a server or a notebook reads: none of them is kept for the next."""
    text = "model m { input image: 8x8x1\n { conv(4, 1x1) } * 40 }"
    load_text(text)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(100):
        load_text(text)
    assert len(gc.get_objects()) < 1.5 * before


def test_a_callers_frozen_objects_stay_frozen() -> None:
    gc.freeze()
    try:
        before = gc.get_freeze_count()
        load_text("model m { input image: 8x8x1\n relu }")
        assert 0 < before <= gc.get_freeze_count()
    finally:
        gc.unfreeze()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        load_text("model m { input image: 8x8x1\n relu }")
        assert not gc.isenabled()
    finally:
        gc.enable()
