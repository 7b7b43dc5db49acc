"""How a training or an evaluation is carried out: by what, on how many threads, and with pictures that are broken or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnndsl.data.loader import Reader
from cnndsl.data.pipeline import Step


@dataclass(frozen=True, slots=True)
class Running:
    """target, threads: of the compiled network, as `compile` takes them. workers: threads that read pictures ahead; None: one
    for each core. on_bad_image: `stop`, or `skip` for pictures that cannot be read."""

    target: str = "numpy"
    threads: int | None = None
    workers: int | None = None
    on_bad_image: str = "stop"

    def reader(self, steps: Sequence[Step], shape: Sequence[int], skipped: dict[str, str] | None = None) -> Reader:
        """Reads pictures through `steps`. shape: (H, W, C) of the model's input. skipped: takes path → why. Raises E770."""
        return Reader(steps, shape, self.workers, self.on_bad_image, skipped)
