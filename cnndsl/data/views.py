"""The views of a picture that an evaluation averages over: every size, every crop, every mirror image.

    resize([256, 288, 320, 352]) -> squares -> six_crop(224) -> flip        4 · 3 · 6 · 2 = 144 views

A view is a picture (1, h, w, C); each step makes one or several views of each that it is given, in order. ten_crop: four
corners and the middle, and their mirror images (Krizhevsky et al. 2012, section 4.1). squares: the left, middle and right
(or upper, middle and lower) square of the shorter side; six_crop: four corners, the middle, and the whole resized
(Szegedy et al. 2015, section 7).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.data import pipeline
from cnndsl.data.crops import within
from cnndsl.data.geometry import shorter
from cnndsl.data.resample import Pictures, cut, mirrored, resized
from cnndsl.data.sides import pair
from cnndsl.errors import CnnError, Span, located
from cnndsl.language.recipe import Call, Preprocess, Sides

Array = NDArray[Any]
View = Callable[[Pictures], Iterator[Pictures]]
SIZES = ("resize", "center_crop", "crop", "pad")
"""Steps of `preprocess` that give a picture its size: where views have some of their own, those hold instead."""
MAKE_SIZES = (*SIZES, "ten_crop", "six_crop", "squares", "fully_convolutional")


@dataclass(frozen=True)
class Views:
    """What an evaluation makes of one picture. whole: whether the network runs on pictures of any size
    (`fully_convolutional`). count: how many views there are of each."""

    steps: tuple[View, ...]
    before: tuple[pipeline.Step, ...]
    after: tuple[pipeline.Step, ...]
    whole: bool
    count: int

    def of(self, picture: Array) -> list[Array]:
        """(H, W, C), uint8 or float32 in [0, 1] → every view as float32 (h, w, C), preprocessed."""
        found: list[Pictures] = [pipeline.run(self.before, picture[None]) if self.before else picture[None]]
        for step in self.steps:
            found = [made for x in found for made in step(x)]
        return [pipeline.run(self.after, [x[0] if isinstance(x, np.ndarray) else x])[0] for x in found]


def bind(calls: Sequence[Call], preprocess: Preprocess | None) -> Views:
    """The views that `calls` ask for, each then through the colours of `preprocess`. Raises E421, E422, at their places.

    Where the views give sizes of their own, they stand in the place of those of `preprocess`; else they come after it.
    """
    steps = preprocess.images if preprocess is not None else ()
    own = any(c.name in MAKE_SIZES for c in calls)
    before = () if own else pipeline.preprocessing(preprocess)
    after = pipeline.bind([c for c in steps if c.name not in SIZES], "preprocess", random=False) if own else ()
    found = tuple(_made(c) for c in calls if c.name != "fully_convolutional")
    whole = any(c.name == "fully_convolutional" for c in calls)
    return Views(found, before, after, whole, math.prod(map(_many, calls)))


def _many(call: Call) -> int:
    """How many views a step makes of one."""
    sizes = (*call.args, *call.keys.values())
    if call.name == "resize" and sizes and isinstance(sizes[0], tuple) and not isinstance(sizes[0], Sides):
        return len(sizes[0])
    return MANY.get(call.name, 1)


def _made(call: Call) -> View:
    make = STEPS.get(call.name)
    try:
        if make is not None:
            return _placed(make(*call.args, **call.keys), call.span)
        (step,) = pipeline.bind([call], "views", random=False)
    except CnnError as e:
        raise CnnError(d if d.span else replace(d, span=call.span) for d in e.diagnostics) from None

    def run(x: Pictures) -> Iterator[Pictures]:
        yield pipeline.run((step,), [x[0] if isinstance(x, np.ndarray) else x])

    return run


def _placed(view: View, span: Span | None) -> View:
    """The step, whose errors have its place."""

    def run(x: Pictures) -> Iterator[Pictures]:
        try:
            yield from view(x)
        except CnnError as e:
            raise located(e, span) from None

    return run


def resize(size: Any) -> View:
    """One view for each size of a list."""
    wanted = size if isinstance(size, tuple) and not isinstance(size, Sides) else (size,)

    def run(x: Pictures) -> Iterator[Pictures]:
        for n in wanted:
            yield resized(x, *(n if isinstance(n, tuple) else shorter(x, n)))

    return run


def flip(axis: str = "horizontal") -> View:
    """The picture and its mirror image."""

    def run(x: Pictures) -> Iterator[Pictures]:
        yield x
        yield mirrored(x, axis)

    return run


def squares() -> View:
    """Three squares of the shorter side: at one end of the longer, in its middle, at the other end."""

    def run(x: Pictures) -> Iterator[Pictures]:
        _, height, width, _ = x.shape
        n = min(height, width)
        for share in (0, 1, 2):
            yield cut(x, (height - n) * share // 2, (width - n) * share // 2, n, n)

    return run


def five(x: Pictures, height: int, width: int, what: str) -> Iterator[Pictures]:
    """The four corners, row by row, and the middle. Raises E706."""
    within(what, x, height, width)
    down, along = x.shape[1] - height, x.shape[2] - width
    for top, left in ((0, 0), (0, along), (down, 0), (down, along), (down // 2, along // 2)):
        yield cut(x, top, left, height, width)


def ten_crop(size: Any) -> View:
    height, width = pair(size)

    def run(x: Pictures) -> Iterator[Pictures]:
        for part in five(x, height, width, "ten_crop"):
            yield part
            yield mirrored(part, "horizontal")

    return run


def six_crop(size: Any) -> View:
    height, width = pair(size)

    def run(x: Pictures) -> Iterator[Pictures]:
        yield from five(x, height, width, "six_crop")
        yield resized(x, height, width)

    return run


STEPS: dict[str, Callable[..., View]] = {
    "resize": resize, "flip": flip, "squares": squares, "ten_crop": ten_crop, "six_crop": six_crop,
}  # fmt: skip
MANY = {"flip": 2, "squares": 3, "ten_crop": 10, "six_crop": 6}
