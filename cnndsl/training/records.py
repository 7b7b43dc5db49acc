"""What training reports while it runs, and what it leaves. The command line draws these; nothing here prints.

A run is a folder `runs/<model>/<number>`:

    log.csv              a row for each epoch (`Row`)
    steps.csv            a row for every few steps (`Stretch`)
    loss.png, loss.svg   both as a picture
    recipe.txt           what was trained, and how
    model.json           of which file, with which preprocessing and network (`training.origin`)
    weights.safetensors  parameters and running statistics of the last epoch
    best.safetensors     the same of the epoch that was best in validation (`training.best`), where there is validation
    command.json         what the command line said, for `--resume`; not of runs begun in Python
    skipped.txt          pictures that could not be read, where there were any
    checkpoints/<step>/  state.safetensors and checkpoint.json: all that is needed to go on
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.errors import Diagnostic


@dataclass(frozen=True, slots=True)
class Row:
    """One epoch. loss, accuracy: means over the images as they were trained on, None where there are none.

    rate: of the last step. seconds: since the run began (across resumptions), validation included. gradient_norm: the mean
    Euclidean length of the gradient before clipping, None where it is not asked for.
    """

    epoch: int
    step: int
    rate: float
    loss: float
    accuracy: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float
    gradient_norm: float | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some steps in a row, the last of them `step`: loss, accuracy, gradient_norm are means over them, `rate` is the last.

    epoch: where it ends, counted in epochs: 0.5 is half of the first.
    """

    step: int
    epoch: float
    rate: float
    loss: float
    accuracy: float | None
    gradient_norm: float | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """Before the first step. `resumed`: the step it goes on from, None for a new run. apart: the name of the data set to
    validate on, where it is one of its own. warnings: what of the recipe will most likely disappoint. steps: of the whole
    training, where the recipe counts them and not epochs."""

    model: str
    run_dir: Path
    epochs: int
    steps_per_epoch: int
    batch: int
    images: int
    validation_images: int
    resumed: int | None
    apart: str = ""
    warnings: tuple[Diagnostic, ...] = ()
    steps: int | None = None


@dataclass(frozen=True, slots=True)
class Stepped:
    """After a step. step counts from 1 within the epoch; loss, accuracy: means over the epoch so far."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float | None
    images_per_second: float
    seconds_left: float


@dataclass(frozen=True, slots=True)
class Skipped:
    """A picture that cannot be read, when it is met for the first time. count: of such pictures so far. epoch: 0 in an
    evaluation."""

    epoch: int
    picture: str
    why: str
    count: int


@dataclass(frozen=True, slots=True)
class Stopping:
    """Ctrl-C has been met: the step that runs is finished, and everything is saved. Told once, from a thread of its own."""


@dataclass(frozen=True, slots=True)
class EpochDone:
    """After an epoch, its validation and its checkpoint."""

    row: Row
    epochs: int


@dataclass(frozen=True)
class Comparison:
    """Of a network that gives numbers, means over `count` images, each counted once: the recipe's loss, and metrics by name."""

    loss: float
    metrics: Mapping[str, float]
    count: int
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """While an evaluation runs: `done` of `count` images, each by so many views; seconds since it began."""

    done: int
    count: int
    views: int
    seconds: float


Event = Started | Stepped | Stretch | Skipped | Stopping | EpochDone
OnEvent = Callable[[Event], None]
OnJudged = Callable[[Judged | Skipped], None]


@dataclass(frozen=True)
class TrainResult:
    """stopped: by Ctrl-C, with everything saved; `train(…, resume=True)` goes on. weights: parameters and buffers.

    skipped: what was wrong with each picture that could not be read. begun: the step at which this call began; where it is
    `steps`, nothing was left to do. waited: it ended because no epoch was better than an earlier one for so many.
    steps_per_epoch: of which an epoch has so many.
    """

    run_dir: Path
    weights: Mapping[str, NDArray[Any]]
    history: tuple[Row, ...]
    steps: int
    stopped: bool = False
    skipped: tuple[str, ...] = ()
    begun: int = 0
    waited: int | None = None
    steps_per_epoch: int = 1


@dataclass(frozen=True)
class Evaluation:
    """Means over `count` images, each counted once. confusion[i, j]: images of class i that were called j. top: k → the
    share of images whose class is among the k most likely ones. views: of each image. skipped: what was wrong with each
    picture that could not be read. pixels: of an image that have a class each, which is what is then counted in `confusion`."""

    loss: float
    accuracy: float
    confusion: NDArray[np.int64]
    labels: tuple[str, ...]
    count: int = 0
    top: Mapping[int, float] = field(default_factory=dict)
    views: int = 1
    skipped: tuple[str, ...] = ()
    pixels: int = 1
