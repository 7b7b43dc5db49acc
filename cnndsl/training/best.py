"""The best epoch of a run, and when waiting for a better one has gone on for long enough."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnndsl.errors import briefly, error
from cnndsl.training.records import Row


def best(history: Sequence[Row]) -> Row | None:
    """The first epoch with the highest accuracy in validation, the lower loss where two are equal; by the loss alone where
    nothing is classified. None where no epoch was validated.
    """
    judged = [row for row in history if row.validation_loss is not None]
    return min(judged, key=_rank, default=None)


def _rank(row: Row) -> tuple[float, float]:
    return -(row.validation_accuracy or 0.0), _height(row.validation_loss)


def _height(loss: float | None) -> float:
    """NaN is the worst of all losses."""
    return math.inf if loss is None or math.isnan(loss) else loss


def waited(losses: Sequence[float]) -> int:
    """Epochs since the lowest loss, the first where several are equal."""
    heights = [_height(loss) for loss in losses]
    return len(heights) - 1 - heights.index(min(heights)) if heights else 0


def check_patience(patience: object) -> None:
    """Raise E606 for a number of epochs or steps that cannot be waited for."""
    if patience is not None and (type(patience) is not int or patience < 1):
        raise error("E606", f"patience is a whole number from 1, not {briefly(patience)}")
