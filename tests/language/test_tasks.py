"""The collector of cycles is back after a text was read, with nothing more to walk; what a caller froze stays frozen."""

from __future__ import annotations

import gc

import pytest

from cnndsl.errors import CnnError
from cnndsl.language.load import load_text


@pytest.mark.parametrize("text", ["model m { input image: 8x8x1\n { conv(4, 1x1) } * 2000 }", "model m {"])
def test_what_was_built_is_among_the_oldest_objects(text: str) -> None:
    gc.collect()
    try:
        kept: object = load_text(text)
    except CnnError as e:
        kept = e
    assert gc.isenabled()
    assert sum(gc.get_count()) < 1000
    assert kept is not None


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
