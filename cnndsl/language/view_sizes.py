"""Whether the views of an evaluation can be made and fit the model, as far as their numbers alone tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cnndsl.errors import CnnError, Diagnostic
from cnndsl.graph.graph import Graph
from cnndsl.graph.types import drawn
from cnndsl.language.options import bind
from cnndsl.language.recipe import Call, Eval, Sides
from cnndsl.language.vocabulary import STEPS

CROPS = ("center_crop", "crop", "ten_crop", "six_crop")


@dataclass(frozen=True, slots=True)
class Size:
    """What is known of a picture: height and width, or the shorter side alone, or nothing (None)."""

    sides: tuple[int, int] | None = None
    shorter: int | None = None

    def holds(self, high: int, wide: int) -> bool:
        """Whether so many pixels may lie within it."""
        if self.sides is not None:
            return high <= self.sides[0] and wide <= self.sides[1]
        return self.shorter is None or min(high, wide) <= self.shorter

    def may_be(self, high: int, wide: int) -> bool:
        if self.sides is not None:
            return self.sides == (high, wide)
        return self.shorter is None or self.shorter == min(high, wide)

    def __str__(self) -> str:
        return drawn(self.sides) if self.sides is not None else f"{self.shorter} on their shorter side"


def misfits(judged: Eval, graph: Graph) -> Iterator[Diagnostic]:
    """E422 at the step of `views` that cuts out more than there is, or after which no picture fits the model's one input."""
    calls: Sequence[Call] = judged.entries.get("views", ())
    inputs = [(name, [n for n in x.type.shape[1:] if isinstance(n, int)]) for name, x in graph.inputs.items()]
    if len(inputs) != 1 or len(inputs[0][1]) != 3 or graph.inputs[inputs[0][0]].type.rank != 4:
        return
    name, (high, wide, channels) = inputs[0]
    sizes, last = [Size()], None
    for call in calls:
        try:
            given = bind(call, STEPS, "image step", many=True)
        except CnnError:  # told already
            return
        if call.name in CROPS:
            cut = _cut(given)
            small = next((s for s in sizes if not s.holds(*cut)), None)
            if small is not None:
                yield Diagnostic("E422", _too_small(call, cut, small), call.span, help=_mend(call, small, (high, wide), cut))
                return
        sizes = [made for s in sizes for made in _after(call, given, s)]
        last = call if call.name in (*CROPS, "resize", "squares", "pad") else last
    other = next((s for s in sizes if not s.may_be(high, wide)), None)
    if other is not None and last is not None and all(call.name != "fully_convolutional" for call in calls):
        message = f"the views are {other}, and the input {name} is {drawn((high, wide, channels))}"
        yield Diagnostic("E422", message, last.span, help=_fitting(last, (high, wide)))


def _cut(given: dict[str, Any]) -> tuple[int, int]:
    """(height, width) that a crop needs, from the upper left corner on."""
    high, wide = _pair(given["size"])
    top, left = _pair(given.get("at", 0))
    return high + top, wide + left


def _pair(x: Any) -> tuple[int, int]:
    return (int(x[0]), int(x[1])) if isinstance(x, tuple) else (int(x), int(x))


def _after(call: Call, given: dict[str, Any], size: Size) -> list[Size]:
    """What is known of the pictures that a step makes of one."""
    if call.name == "resize":
        wanted = given["size"]
        each = wanted if isinstance(wanted, tuple) and not isinstance(wanted, Sides) else (wanted,)
        square = size.sides is not None and size.sides[0] == size.sides[1]
        return [Size(_pair(n)) if isinstance(n, tuple) or square else Size(shorter=int(n)) for n in each]
    if call.name in CROPS:
        return [Size(_pair(given["size"]))]
    if call.name == "squares":
        n = min(size.sides) if size.sides is not None else size.shorter
        return [Size((n, n)) if n is not None else Size()]
    if call.name == "pad":
        more = _pair(given["amount"])
        if size.sides is not None:
            return [Size((size.sides[0] + 2 * more[0], size.sides[1] + 2 * more[1]))]
        return [Size(shorter=size.shorter + 2 * more[0]) if size.shorter is not None and more[0] == more[1] else Size()]
    return [size]


def _too_small(call: Call, cut: tuple[int, int], size: Size) -> str:
    return f"{call.name}: {drawn(cut)} pixels do not lie within pictures that are {size}"


def _mend(call: Call, size: Size, wanted: tuple[int, int], cut: tuple[int, int]) -> str:
    """The crop of the model's own size where that lies within, else larger pictures before it."""
    if size.holds(*wanted) and cut != wanted and call.name != "crop":
        return _fitting(call, wanted)
    larger = f"resize({max(*cut, *wanted)}) or more before it"
    return larger if cut == wanted or call.name == "crop" else f"{larger}, and {_fitting(call, wanted)}"


def _fitting(call: Call, wanted: tuple[int, int]) -> str:
    name = call.name if call.name in CROPS and call.name != "crop" else "center_crop"  # a crop is made at a place of its own
    mend = f"{name}({wanted[0]})" if wanted[0] == wanted[1] else f"{name}({drawn(wanted)})"
    return mend if name == call.name else f"… -> {mend}"
