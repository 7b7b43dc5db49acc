"""Whether a checkpoint, which may be a stranger's, says what training writes: each entry alone, then all by the steps made."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cnndsl.training.records import Row

if TYPE_CHECKING:
    from cnndsl.training.checkpoint import Position

MOST_STEPS = 10**12
MOST_SECONDS = 1e10
"""300 years."""
LARGEST = 1e80
"""No mean loss and no rate is beyond: float32 ends at 3.4e38, and its square is within."""


def sound(at: Position, folder: str) -> bool:
    """Whether each entry is of its kind and within its bounds; folder: the name of the checkpoint's."""
    texts = [at.data, *at.recipe, *at.recipe.values()] if isinstance(at.recipe, dict) else [None]
    rows = at.history
    counts = [at.step, at.seen, at.measured, *(n for row in rows for n in (row.epoch, row.step))]
    return (
        all(isinstance(x, str) for x in texts)
        and all(type(n) is int and 0 <= n <= MOST_STEPS for n in counts)
        and at.step == int(folder)
        and _within(at.loss, -LARGEST * at.seen, LARGEST * at.seen)
        and _within(at.right, 0, at.seen)
        and _within(at.seconds, 0, MOST_SECONDS)
        and _length(at.norms)
        and (at.measured > 0 or at.norms == 0)
        and all(map(_sound_row, rows))
    )


def _sound_row(row: Row) -> bool:
    judged, shares = row.validation_loss, (row.accuracy, row.validation_accuracy)
    return (
        _within(row.rate, 0, LARGEST)
        and _within(row.loss, -LARGEST, LARGEST)  # training ends where it is no number
        and (judged is None or _endless(judged) or _within(judged, -LARGEST, LARGEST))
        and all(x is None or _within(x, 0, 1) for x in shares)
        and _within(row.seconds, 0, MOST_SECONDS)
        and (row.gradient_norm is None or _length(row.gradient_norm))
    )


def follows(at: Position, per_epoch: int, batch: int) -> bool:
    """Whether sums and history are those of a run that has made `at.step` steps of `batch` images.

    A row ends each epoch, and one a run that ends within an epoch by its number of steps: training may go on from there.
    """
    ends = [row.step for row in at.history]
    last = ends[-1] if ends else 0
    seconds = [*(row.seconds for row in at.history), at.seconds]
    return (
        all(a < b for a, b in zip([0, *ends], ends, strict=False))
        and all(row.epoch == -(-row.step // per_epoch) for row in at.history)
        and sum(step % per_epoch == 0 for step in ends) == at.step // per_epoch
        and last <= at.step
        and at.seen == (at.step - last) * batch
        and at.measured <= at.step - last
        and seconds == sorted(seconds)
    )


def _within(x: object, least: float, most: float) -> bool:
    return type(x) in (int, float) and least <= x <= most  # type: ignore[operator]


def _endless(x: object) -> bool:
    return type(x) is float and not math.isfinite(x)


def _length(x: object) -> bool:
    """A gradient's length, or a sum of some: float32 may be too narrow for it."""
    return _within(x, 0, math.inf) or (type(x) is float and math.isnan(x))
