"""The course of a restoration as one picture: before, stages between, after, and the curves below."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from cnndsl.view.plots import empty, plain, save


class Stage(Protocol):
    """One moment of a restoration: what `cnndsl.training.restore.Fitted` holds."""

    @property
    def step(self) -> int: ...
    @property
    def loss(self) -> float: ...
    @property
    def psnr(self) -> float | None: ...
    @property
    def picture(self) -> Any: ...


BETWEEN = 3


def course_picture(
    before: Any, stages: Sequence[Stage], path: Path, title: str = "", truth: Any = None, quality: float | None = None
) -> None:
    """Write `before`, up to three stages between, the last one and, where there is one, the truth, over loss and PSNR.

    Pictures (H, W, 1 or 3) in [0, 1]; quality: the PSNR of `before` in dB.
    """
    middle = list(stages[:-1])
    count = min(BETWEEN, len(middle))
    chosen = [middle[round(k * (len(middle) - 1) / max(BETWEEN - 1, 1))] for k in range(count)]
    shown = [("before", before, quality)]
    shown += [(f"step {s.step:,}", s.picture, s.psnr) for s in {s.step: s for s in chosen}.values()]
    shown += [(f"after {stages[-1].step:,} steps", stages[-1].picture, stages[-1].psnr)]
    shown += [("truth", truth, None)] if truth is not None else []
    figure = empty(2.2 * len(shown), 4.6)
    halves: Any = figure.subfigures(2, 1, height_ratios=(1.25, 1))  # apart, so that no curve's names push pictures
    pictures, curves = halves
    for k, (what, x, db) in enumerate(shown):
        axes = pictures.add_subplot(1, len(shown), k + 1)
        axes.imshow(x[:, :, 0] if x.shape[2] == 1 else x, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(what + (f"\n{db:.2f} dB" if db is not None else ""), fontsize=9)
        axes.set_axis_off()
    steps = [s.step for s in stages]
    known = [(s.step, s.psnr) for s in stages if s.psnr is not None]
    axes = curves.add_subplot(1, 2 if known else 1, 1)
    axes.plot(steps, [s.loss for s in stages])
    axes.set(xlabel="step", ylabel="loss, smoothed", yscale="log")
    axes.grid(alpha=0.3)
    if known:
        axes = curves.add_subplot(1, 2, 2)
        axes.plot([x for x, _ in known], [y for _, y in known])
        if quality is not None:
            axes.axhline(quality, linestyle=":", color="gray", label="before")
            axes.legend(frameon=False)
        axes.set(xlabel="step", ylabel="PSNR in dB")
        axes.grid(alpha=0.3)
    if title:
        figure.suptitle(plain(title, 80))
    save(figure, path, follow=False)
