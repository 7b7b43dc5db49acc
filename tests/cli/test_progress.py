"""What a training prints: plain lines into a file, a moving line on a terminal."""

import io
from pathlib import Path

import pytest

from cnndsl.cli.progress import Progress, clock
from cnndsl.training.records import EpochDone, Event, Row, Skipped, Started, Stepped

EVENTS: tuple[Event, ...] = (
    Started("lenet5", Path("runs/lenet5/1"), 2, 56, 64, 3600, 400, None),
    Skipped(1, "cats/7.jpg", "cats/7.jpg is not a picture that can be read", 1),
    Stepped(1, 2, 28, 56, 0.71, 0.8125, 12345.6, 83.0),
    EpochDone(Row(1, 56, 0.05, 0.5123, 0.875, 0.25, 0.94, 3.4), 2),
    Stepped(2, 2, 1, 56, 0.3, None, 9.5, 0.2),
    EpochDone(Row(2, 112, 0.001, 0.25, None, None, None, 6.8), 2),
)


def drawn(moving: bool) -> str:
    out = io.StringIO()
    with Progress(out, moving) as progress:
        for event in EVENTS:
            progress(event)
    return out.getvalue()


def test_plain_lines() -> None:
    assert drawn(moving=False).splitlines() == [
        "training lenet5 on 3,600 images, 400 held back to validate, 2 epochs of 56 steps, into runs/lenet5/1",
        "",
        "epoch    loss  accuracy  validation         rate     time",
        "skipped: cats/7.jpg is not a picture that can be read",
        "    1  0.5123    87.50%  0.2500 94.00%      0.05     0:03",
        "    2  0.2500                              0.001     0:07",
    ]


def test_a_terminal_sees_the_running_epoch() -> None:
    text = drawn(moving=True)
    assert "12,346 images/s" in text
    assert "1:23 left" in text
    assert "0.5123" in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0:00"), (59.6, "1:00"), (754, "12:34"), (3723, "1:02:03"), (float("nan"), "0:00"), (float("inf"), "0:00")],
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
