"""A profile as a roofline, the picture of Williams, Waterman, Patterson (2009).

For each kernel, what it computes in a second over what it computes for each byte that it reads or writes. No kernel can be
above the roofs that this machine was measured to have; the area of a dot is its share of the time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnndsl.errors import error, printable
from cnndsl.runtime.limits import Limits
from cnndsl.runtime.profile import Profile
from cnndsl.view.plots import empty, save
from cnndsl.view.profile import kinds

ENDINGS = (".png", ".svg", ".pdf")
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")  # Okabe, Ito: told apart by everyone
SHORTEST = 0.001  # of the time: what takes less is left out
NAMED = 6  # dots that get their names, where there is room
NEAR = 4  # places so near that no line to the dot is needed
PLACES = (
    (9, 5), (9, -11), (-9, 5), (-9, -11), (14, 20), (14, -27), (-14, 20), (-14, -27), (20, 36), (-20, 36), (20, -43), (-20, -43)
)  # fmt: skip
"""Of a name beside its dot, in points."""


@dataclass(frozen=True, slots=True)
class Dot:
    """A kernel: its place, its share of the time, its name and kind. moves: it computes nothing."""

    intensity: float
    gflops: float
    bandwidth: float
    share: float
    name: str
    kind: str
    moves: bool


def check(path: Path) -> None:
    """Raise E770 for a picture of a kind that is not drawn: before anything is measured."""
    if path.suffix.lower() not in ENDINGS:
        raise error(
            "E770", f"{path.name} is no picture that can be drawn", help=f"its ending says the kind: {', '.join(ENDINGS)}"
        )


def draw(p: Profile, path: Path) -> None:
    """Write the roofline of `p`. Raises E598 where that cannot be."""
    m, a = p.limits, p.program
    least = sum(k.least for k in p.kernels) / max(p.kernel_seconds, 1e-12)
    title = (
        f"{printable(a.name)}, {'training step' if a.training else 'inference'}, {a.batch} image{'s' * (a.batch != 1)}: "
        f"{1e3 * p.total:.1f} ms, its kernels at {100 * least:.0f} % of the limits"
    )
    try:
        save(picture(dots_of(p), m, title), path)
    except OSError as e:
        raise error("E598", f"{path} cannot be written: {e.strerror or e}") from None


def dots_of(p: Profile) -> list[Dot]:
    """Kind by kind, the longest first; kinds beyond the first six are one, `other`."""
    found = []
    for n, (name, mine) in enumerate(kinds(p)):
        kind = printable(name) if n < len(COLOURS) - 1 else "other"
        for k in mine:
            intensity = k.operations / k.bytes if k.bytes else 0.0
            share = k.seconds / max(p.kernel_seconds, 1e-12)
            found.append(Dot(intensity, k.gflops, k.bandwidth, share, printable(k.path or k.name), kind, k.operations == 0))
    return found


def picture(dots: Sequence[Dot], m: Limits, title: str) -> Any:
    """The figure. A kernel that only moves bytes is a ring at the left edge, as high as its bytes a second put it."""
    figure = empty(9.6, 6.0)
    axes = figure.add_subplot(1, 1, 1)
    memory = m.triad[1]
    shown = [d for d in dots if d.share >= SHORTEST]
    low = min([0.25, *(d.intensity / 1.6 for d in shown if not d.moves)])
    high = max([4 * m.product / memory, *(2.5 * d.intensity for d in shown)])
    edge = 1.25 * low
    floor = min([memory * low / 2, *((edge * d.bandwidth if d.moves else d.gflops) / 2 for d in shown)])
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(floor, 2.2 * m.product))
    axes.set_xlabel("operations for each byte read or written")
    axes.set_ylabel("GFLOP/s")
    axes.set_title(title, fontsize=11)
    axes.grid(alpha=0.2, which="major", linewidth=0.6)
    for kind in dict.fromkeys(d.kind for d in shown):
        mine = [d for d in shown if d.kind == kind]
        colour = "#7f7f7f" if kind == "other" else COLOURS[list(dict.fromkeys(d.kind for d in dots)).index(kind)]
        filled = [d for d in mine if not d.moves]
        rings = [d for d in mine if d.moves]
        label = f"{kind}, {100 * sum(d.share for d in mine):.1f} %"
        axes.scatter(
            [d.intensity for d in filled], [d.gflops for d in filled], s=[_area(d) for d in filled],
            label=label if filled else None, facecolor=colour, edgecolor="white", linewidth=0.6, alpha=0.8, zorder=3,
        )  # fmt: skip
        axes.scatter(
            [edge for _ in rings], [edge * d.bandwidth for d in rings], s=[_area(d) for d in rings],
            label=None if filled else f"{label} (moves only)", facecolor="none", edgecolor=colour, linewidth=1.4, zorder=3,
        )  # fmt: skip
    _roofs(figure, axes, m, (low, high))
    taken = [_box(figure, text) for text in axes.texts]
    left = [d.share for d in dots if d.share < SHORTEST]
    title = "share of the time" + (f"\n(left out: {len(left)} short ones, {100 * sum(left):.1f} %)" if left else "")
    legend = axes.legend(frameon=True, framealpha=0.85, edgecolor="none", fontsize=9, loc="lower right", title=title)
    legend.get_title().set_fontsize(9)
    for handle in legend.legend_handles:
        handle.set_sizes([45])  # type: ignore[union-attr]
    taken.append(_box(figure, legend))
    _names(figure, axes, sorted((d for d in shown if not d.moves), key=lambda d: -d.share), taken)
    return figure


def _area(d: Dot) -> float:
    return 14 + 2400 * d.share


def _roofs(figure: Any, axes: Any, m: Limits, x: tuple[float, float]) -> None:
    """The limits, each with its name along it."""
    low, high = x
    black = {"color": "black", "zorder": 2}
    cache, memory = m.triad
    axes.fill_between([low, m.product / cache, high], [low * cache, m.product, m.product], color="#f3f3f0", zorder=0)
    figure.draw_without_rendering()
    for rate, style, where in ((cache, "-", "in cache"), (memory, "--", "beyond the caches")):
        knee = m.product / rate
        axes.plot([low, knee], [low * rate, m.product], style, linewidth=1.3, **black)
        (x0, y0), (x1, y1) = axes.transData.transform([(low, low * rate), (knee, m.product)])
        angle = math.degrees(math.atan2(y1 - y0, x1 - x0))
        middle = math.sqrt(low * knee)
        axes.annotate(
            f"memory {where}, {rate:.0f} GB/s", (middle, middle * rate), rotation=angle, rotation_mode="anchor", ha="center",
            va="bottom", fontsize=9, xytext=(-2, 3), textcoords="offset points",
        )  # fmt: skip
    many = f"{m.threads} threads" if m.threads > 1 else "one thread"
    for rate, style, says in ((m.product, "-", many), (m.product_one, ":", "one thread"))[
        : 1 + (m.product_one < 0.9 * m.product)
    ]:
        axes.plot([rate / cache, high], [rate, rate], style, linewidth=1.3, **black)
        axes.annotate(
            f"products on {says}, {rate:.0f} GFLOP/s", (high, rate), fontsize=9, ha="right", va="bottom", xytext=(-4, 2),
            textcoords="offset points",
        )  # fmt: skip


def _names(figure: Any, axes: Any, shown: Sequence[Dot], taken: list[Any]) -> None:
    """Names beside the first dots, each where nothing stands yet; a name without a free place is left out."""
    inside = axes.get_window_extent()
    places = {d: tuple(axes.transData.transform((d.intensity, d.gflops))) for d in shown}
    pixels = figure.dpi / 72
    reach = {d: math.sqrt(_area(d) / math.pi) * pixels for d in shown}
    for d in shown[:NAMED]:
        for n, (dx, dy) in enumerate(PLACES):
            at: dict[str, Any] = {"xytext": (dx, dy), "textcoords": "offset points", "ha": "left" if dx > 0 else "right"}
            text = axes.annotate(d.name, (d.intensity, d.gflops), fontsize=7.5, color="#333333", zorder=4, **at)
            box = _box(figure, text)
            covers = any(
                box.x0 - reach[o] < x < box.x1 + reach[o] and box.y0 - reach[o] < y < box.y1 + reach[o]
                for o, (x, y) in places.items()
                if o is not d
            )
            within = inside.x0 + 6 < box.x0 and box.x1 < inside.x1 - 6
            fits = within and not any(box.overlaps(other) for other in taken)
            if fits and not covers:
                taken.append(box)
                if n >= NEAR:
                    line = {"arrowstyle": "-", "linewidth": 0.5, "color": "#999999"}
                    axes.annotate("", (d.intensity, d.gflops), arrowprops=line, **at)
                break
            text.remove()


def _box(figure: Any, thing: Any) -> Any:
    """Where a text or the legend stands, in pixels."""
    return thing.get_window_extent(figure.canvas.get_renderer())
