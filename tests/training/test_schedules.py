"""The rate as a function of the step."""

from __future__ import annotations

import math

import pytest

from cnndsl.errors import CnnError
from cnndsl.language.recipe import Constant, Cosine, Exponential, Linear, Plateau, Step, Warmup
from cnndsl.training.schedules import Position, plateaus, rate_at


def at(step: int, steps: int = 100, each: int = 10, losses: tuple[float, ...] = ()) -> Position:
    return Position(step, steps, each, losses)


def test_constant_and_none() -> None:
    assert rate_at(None, 0.1, at(7)) == rate_at(Constant(), 0.1, at(99)) == 0.1


def test_step_moves_by_the_epoch() -> None:
    every = Step(every=3, factor=0.5)
    assert [rate_at(every, 1.0, at(10 * e + 9)) for e in range(8)] == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]
    listed = Step(at=(2, 5), factor=0.1)
    assert [rate_at(listed, 1.0, at(10 * e)) for e in range(7)] == pytest.approx([1, 1, 0.1, 0.1, 0.1, 0.01, 0.01])


def test_exponential() -> None:
    assert rate_at(Exponential(factor=0.9), 1.0, at(35)) == pytest.approx(0.9**3)


def test_linear_falls_in_a_straight_line() -> None:
    assert [rate_at(Linear(), 0.2, at(s)) for s in (0, 25, 50, 99)] == pytest.approx([0.2, 0.15, 0.1, 0.002])
    warm = Warmup(2, Linear())
    assert [rate_at(warm, 1.0, at(s)) for s in (0, 19, 20, 60)] == pytest.approx([0.05, 1.0, 1.0, 0.5])


def test_cosine_goes_from_the_rate_to_nothing() -> None:
    assert rate_at(Cosine(), 0.2, at(0)) == 0.2
    assert rate_at(Cosine(), 0.2, at(50)) == pytest.approx(0.1)
    assert rate_at(Cosine(), 0.2, at(25)) == pytest.approx(0.1 * (1 + math.cos(math.pi / 4)))
    assert 0 < rate_at(Cosine(), 0.2, at(99)) < 1e-4


def test_plateau_needs_patience() -> None:
    schedule = Plateau(factor=0.1, patience=2)
    losses = (3.0, 2.0, 2.0, 2.5, 1.0, 1.0, 1.0, 1.0, 1.0)
    rates = [rate_at(schedule, 1.0, at(0, losses=losses[:n])) for n in range(len(losses) + 1)]
    assert rates == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.001])
    assert plateaus([float("nan")] * 4, 2) == 2


def test_warmup_then() -> None:
    cosine = Warmup(2, Cosine())
    assert [rate_at(cosine, 1.0, at(s)) for s in (0, 9, 19)] == pytest.approx([0.05, 0.5, 1.0])
    assert rate_at(cosine, 1.0, at(20)) == 1.0
    assert rate_at(cosine, 1.0, at(60)) == pytest.approx(0.5)
    steps = Warmup(2, Step(at=(5,), factor=0.1))
    assert [rate_at(steps, 1.0, at(10 * e)) for e in (2, 4, 5)] == pytest.approx([1, 1, 0.1])


def test_unknown_is_refused() -> None:
    with pytest.raises(CnnError, match="cannot be run"):
        rate_at("linear", 0.1, at(0))
