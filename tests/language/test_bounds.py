"""What a message, a list of messages and a list of values may grow to."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cnndsl.errors import CnnError
from cnndsl.language.load import check, load, load_text


def test_a_message_about_an_absurd_name_stays_readable() -> None:
    with pytest.raises(CnnError) as caught:
        load_text("model m { input image: 8x8x1\n " + "a" * 100_000 + " }")
    assert len(str(caught.value)) < 10_000


def test_very_many_messages_are_counted_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "many.cnn"
    file.write_text("\n".join(f"model m{i} {{ input image: 8x8x1\n relv\n }}" for i in range(400)), encoding="utf-8")
    found = check(str(file))
    assert 0 < len(found) <= 100
    assert found[0].code == "E203"


def test_a_name_with_a_nul_is_no_model() -> None:
    with pytest.raises(CnnError, match="no NUL in it"):
        load("a\0b")


def test_lists_of_lists_are_bounded_while_they_grow() -> None:
    towers = "model m(a = [1] * 9000, b = [a] * 9000) { input image: 8x8x1\n conv(len(b), 1x1) }"
    with pytest.raises(CnnError, match="a list has at most"):
        load_text(towers)


BLOCK = "block u { relu -> conv(8, 1x1) }\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{BLOCK}model m {{ input i: 8x8x8; u * 99999 }}", "99,999 repetitions of 4 steps"),
        (f"{BLOCK}model m {{ input i: 8x8x3; u * 99999 }}", "99,999 repetitions of 4 steps"),
        (f"{BLOCK}model m {{ input i: 8x8x8; {{ u * 300 }} * 300 }}", "300 repetitions of"),
        ("model m { input i: 8x8x8; conv(8, 1x1, pad = sane) * 99999 }", "sane"),
        (f"{BLOCK}model m {{ input i: 8x8x8; convv(8); {{ {{ u }} * 9000; tanh }} * 9 }}", "convv"),
    ],
)
def test_repetitions_that_lead_nowhere_are_not_carried_out(text: str, says: str) -> None:
    start = time.process_time()
    with pytest.raises(CnnError, match=says) as caught:
        load_text(text)
    assert len(caught.value.diagnostics) == 1
    assert time.process_time() - start < 0.5
