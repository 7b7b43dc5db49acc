"""What a training prints: plain lines into a file, a moving line on a terminal."""

import io
from pathlib import Path

import pytest

from cnndsl.cli.progress import Progress, clock
from cnndsl.cli.watch import Curves
from cnndsl.training.records import EpochDone, Event, Row, Skipped, Started, Stepped, Stretch

EVENTS: tuple[Event, ...] = (
    Started("lenet5", Path("runs/lenet5/1"), 2, 56, 64, 3600, 400, None),
    Skipped(1, "cats/7.jpg", "cats/7.jpg is not a picture that can be read", 1),
    Stepped(1, 2, 28, 56, 0.71, 0.8125, 12345.6, 83.0),
    EpochDone(Row(1, 56, 0.05, 0.5123, 0.875, 0.25, 0.94, 3.4), 2),
    Stepped(2, 2, 1, 56, 0.3, None, 9.5, 0.2),
    EpochDone(Row(2, 112, 0.001, 0.25, None, None, None, 6.8), 2),
)


def drawn(moving: bool, events: tuple[Event, ...] = EVENTS, watch: bool = False) -> str:
    out = io.StringIO()
    with Progress(out, moving, watch) as progress:
        for event in events:
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


def test_watched_into_a_file_the_curves_come_at_the_end() -> None:
    lines = drawn(moving=False, watch=True).splitlines()
    assert lines[:6] == drawn(moving=False).splitlines()
    assert " ".join(lines[6].split()) == "loss * training + validation accuracy in % * training + validation"
    assert "0.512" in lines[7] and " ".join(lines[-1].split()) == "1 epoch 2 0 epoch 1"
    assert not any(0x2800 < ord(c) < 0x2900 for line in lines for c in line)


def test_watched_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = drawn(moving=True, watch=True)
    assert "12,346 images/s" in text and "training" in text
    last = text[text.rindex("accuracy in %") :]
    assert "epoch 1" in last and any(0x2800 < ord(c) < 0x2900 for c in last)
    assert len(drawn(moving=True, events=EVENTS[:1], watch=True)) > 50  # nothing to draw yet


def test_steps_stand_for_epochs_until_there_are_enough() -> None:
    curves = Curves()
    steps = [Stretch(k, k / 100, 0.1, 1 / k, None) for k in range(1, 101)]
    for step in steps:
        curves.add(step)
    (line,) = curves.panels()["loss"]
    assert (len(line.points), line.points[0][0], line.points[-1][0]) == (25, 0.04, 1.0)
    assert line.points[0][1] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    for epoch in range(1, 9):
        curves.add(EpochDone(Row(epoch, 100 * epoch, 0.1, 0.5, None, 0.25, None, 1.0), 8))
    training, validation = curves.panels()["loss"]
    assert (len(training.points), len(validation.points), validation.validation) == (8, 8, True)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0:00"), (59.6, "1:00"), (754, "12:34"), (3723, "1:02:03"), (float("nan"), "0:00"), (float("inf"), "0:00")],
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
