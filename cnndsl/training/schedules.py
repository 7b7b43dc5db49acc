"""How the rate goes: a function of where training stands, so that a resumed run needs no state of a schedule.

`cosine`, `linear` and `warmup` move by the step, the others by the epoch. `plateau` is worked out anew from the losses so far.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cnndsl.errors import error
from cnndsl.language.recipe import Constant, Cosine, Exponential, Linear, Plateau, Step, Warmup


@dataclass(frozen=True, slots=True)
class Position:
    """step, from 0, of `steps` in all, `steps_per_epoch` in each epoch; losses: one for each epoch that is over."""

    step: int
    steps: int
    steps_per_epoch: int
    losses: Sequence[float] = ()

    @property
    def epoch(self) -> int:
        """Epochs that are over."""
        return self.step // self.steps_per_epoch


def rate_at(schedule: Any, rate: float, at: Position) -> float:
    """The rate of the step `at.step`. Raises E423 for a schedule that is not known."""
    match schedule:
        case None | Constant():
            return rate
        case Step():
            passed = at.epoch // schedule.every if schedule.every else sum(at.epoch >= e for e in schedule.at)
            return float(rate * schedule.factor**passed)
        case Exponential():
            return float(rate * schedule.factor**at.epoch)
        case Cosine():
            return rate * 0.5 * (1 + math.cos(math.pi * min(at.step / max(at.steps, 1), 1.0)))
        case Linear():
            return rate * (1 - min(at.step / max(at.steps, 1), 1.0))
        case Plateau():
            return float(rate * schedule.factor ** plateaus(at.losses, schedule.patience))
        case Warmup():
            warm = round(schedule.epochs * at.steps_per_epoch)
            if at.step < warm:
                return rate * (at.step + 1) / warm
            # Cosine and linear take the steps that are left; what goes by the epoch counts from the beginning, as papers do.
            rest = Position(at.step - warm, at.steps - warm, at.steps_per_epoch, at.losses)
            return rate_at(schedule.then, rate, rest if isinstance(schedule.then, Cosine | Linear) else at)
    raise error("E423", f"the schedule {getattr(schedule, 'name', schedule)} cannot be run", getattr(schedule, "span", None))


def plateaus(losses: Sequence[float], patience: int) -> int:
    """How often the loss failed to fall below its best for `patience` epochs in a row."""
    best, waited, found = math.inf, 0, 0
    for loss in losses:
        if loss < best:
            best, waited = loss, 0
        else:
            waited += 1
            if waited >= patience:
                found, waited = found + 1, 0
    return found
