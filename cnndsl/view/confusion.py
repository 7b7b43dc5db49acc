"""Where a trained network errs: the confusion matrix, and the pictures it is most wrong about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cnndsl.view.maps import visible
from cnndsl.view.mosaic import columns
from cnndsl.view.plots import empty, plain, save

Array = NDArray[Any]
MOST_NUMBERS, MOST_NAMES = 20, 60
"""Classes up to which each cell has its number, and each row its name."""
SIDE = 256
"""Pixels of a picture's longer side, about: more are left out."""


class Wrong(Protocol):
    """What `cnndsl.training.mistakes.Mistake` holds."""

    @property
    def picture(self) -> Any: ...
    @property
    def true(self) -> str: ...
    @property
    def called(self) -> str: ...
    @property
    def probability(self) -> float: ...
    @property
    def own(self) -> float: ...


def shares(confusion: Array) -> Array:
    """Of the images of class i, the share that was called j: each row divided by its sum; 0 where a class has no image."""
    sums = confusion.sum(axis=1, keepdims=True)
    return np.asarray(confusion / np.where(sums > 0, sums, 1), np.float64)


def confusion_picture(confusion: Array, labels: Sequence[str], path: Path, title: str = "") -> None:
    """Write the matrix, confusion[i, j]: images of class i that were called j, to `path`. Right ones blue, wrong ones red, the
    stronger the larger their share of the row."""
    from math import sqrt

    count = len(labels)
    part = np.sqrt(shares(confusion))  # a few wrong ones are to be seen beside many right ones
    signed = np.where(np.eye(count, dtype=bool), part, -part)
    side = min(9.0, max(4.2, 0.48 * count + 1.6))
    figure = empty(side + 0.4, side)
    axes = figure.add_subplot()
    axes.imshow(signed, cmap="RdBu", vmin=-1, vmax=1, interpolation="nearest")
    if count <= MOST_NUMBERS:
        for (i, j), n in np.ndenumerate(confusion):
            if n:
                dark = abs(signed[i, j]) > sqrt(0.45)
                axes.text(j, i, f"{int(n)}", ha="center", va="center", fontsize=8, color="white" if dark else "black")
    if count <= MOST_NAMES:
        names = [plain(x, 20) for x in labels]
        small = 9 if count <= MOST_NUMBERS else 6
        axes.set_xticks(range(count), names, rotation=90 if max(map(len, names)) > 2 else 0, fontsize=small)
        axes.set_yticks(range(count), names, fontsize=small)
    axes.set(xlabel="called", ylabel="true class")
    right, whole = int(np.trace(confusion)), int(confusion.sum())
    told = f"{right:,} of {whole:,} right: {100 * right / max(whole, 1):.2f} %"
    axes.set_title(f"{plain(title, 60)}\n{told}" if title else told, fontsize=11)
    save(figure, path)


def mistakes_picture(worst: Sequence[Wrong], path: Path, title: str = "") -> None:
    """Write the pictures with what they are and what they were called to `path`."""
    wide = max(1, columns(len(worst)))
    high = -(-len(worst) // wide)
    figure = empty(max(4.0, 1.75 * wide), 2.15 * high + 0.5)
    for k, x in enumerate(worst, 1):
        axes = figure.add_subplot(high, wide, k)
        by = max(1, max(x.picture.shape[:2]) // SIDE)
        axes.imshow(visible(x.picture[::by, ::by]), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(f"called {plain(x.called, 14)}  {percent(x.probability)}", fontsize=9, color="firebrick", pad=3)
        axes.set_xlabel(f"is {plain(x.true, 18)}  {percent(x.own)}", fontsize=9, labelpad=3)
    figure.suptitle(plain(title, 80))
    save(figure, path)


def percent(share: float) -> str:
    """`97.3 %`; what is not all is not called 100 %."""
    return f"{min(100 * share, 99.9) if share < 1 else 100:.1f} %"
