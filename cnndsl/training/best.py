"""The best epoch of a run, and when waiting for a better one has gone on for long enough."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnndsl.training.records import Row


def best(history: Sequence[Row]) -> Row | None:
    """The first epoch with the highest accuracy in validation, the lower loss where two are equal; by the loss alone where
    nothing is classified. None where no epoch was validated.
    """
    judged = [row for row in history if row.validation_loss is not None]
    return min(judged, key=_rank, default=None)


def _rank(row: Row) -> tuple[float, float]:
    loss = row.validation_loss
    return -(row.validation_accuracy or 0.0), loss if loss is not None and not math.isnan(loss) else math.inf


def waited(losses: Sequence[float]) -> int:
    """Epochs since the lowest loss, the first where several are equal."""
    return len(losses) - 1 - losses.index(min(losses)) if losses else 0
