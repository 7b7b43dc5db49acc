"""Do these arrays fit this model? One message for all that does not."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.errors import briefly, error
from cnndsl.graph.graph import Graph, State, Value

if TYPE_CHECKING:
    from cnndsl.runtime.safetensors import WeightFile

Array = NDArray[Any]

SHOWN = 5


def fitting(
    name: str,
    state: Mapping[str, State],
    weights: Mapping[str, Any] | str | os.PathLike[str],
    spare: Mapping[str, State] | None = None,
) -> Mapping[str, Array]:
    """name → array for all of `state` that `weights` must give. name: of the model, for messages.

    Of a file, each array is read when it is asked for, so that they need not be in memory all at once.

    spare: state that the whole model has though it is not needed here (heads): allowed, left out.
    Raises E501, E502 for a file; E504 (missing, left over, of another shape, not finite), naming each; of a file's arrays,
    whether they are finite is seen when they are read.
    """
    from cnndsl.runtime.safetensors import WeightFile

    if not isinstance(weights, (Mapping, str, os.PathLike)):
        raise error("E504", f"weights are a mapping from names to arrays, or a file, not {briefly(weights)}")
    if isinstance(weights, WeightFile):
        given: Mapping[str, Any] = weights
    else:
        given = dict(weights) if isinstance(weights, Mapping) else WeightFile(weights)
    source = f"{given.path}: " if isinstance(given, WeightFile) else ""
    needed = {n: s.type.sizes for n, s in state.items() if s.kind in ("parameter", "buffer")}
    found = [n for n in state if n in given]
    shapes = {n: given.shape(n) if isinstance(given, WeightFile) else tuple(np.shape(given[n])) for n in given}
    wrong = problems(shapes, {n: s.type.sizes for n, s in state.items()}, needed, {**(spare or {}), **state})
    if not wrong and not isinstance(given, WeightFile):
        wrong = _briefly([line for n in found for line in _unfit(n, given[n])])
    if wrong:
        raise error("E504", f"{source}the weights do not fit {name}", notes=tuple(wrong))
    if isinstance(given, WeightFile):
        return Fitting(name, given, found)
    return {n: np.asarray(given[n]) for n in found}


class Fitting(Mapping[str, Array]):
    """Those arrays of a weight file that a model needs, each read when it is asked for. Raises E504 for one that is not
    finite."""

    READS = True

    def __init__(self, model: str, file: WeightFile, names: list[str]) -> None:
        self.model, self.file, self.names = model, file, dict.fromkeys(names)

    def shape(self, name: str) -> tuple[int, ...]:
        """Without reading it."""
        return self.file.shape(name)

    def __getitem__(self, name: str) -> Array:
        if name not in self.names:
            raise KeyError(name)
        found = self.file[name]
        if problems := _unfit(name, found):
            raise error("E504", f"{self.file.path}: the weights do not fit {self.model}", notes=tuple(problems))
        return found

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def reached(graph: Graph, outputs: Iterable[Value]) -> dict[str, State]:
    """The state that these values of `graph` are computed from."""
    needed = {y.node for y in outputs}
    for node in reversed(graph.nodes):
        if node in needed:
            needed.update(x.node for x in node.operands)
    return {n: s for n, s in graph.state.items() if graph.state_values[n].node in needed}


def problems(
    there: Mapping[str, Sequence[int]],
    wanted: Mapping[str, Sequence[int]],
    needed: Iterable[str],
    known: Iterable[str] | None = None,
) -> list[str]:
    """What of the arrays that are there, by their shapes, is not as wanted: a line for what is missing of the `needed`, one for
    what is left over of all that is `known`, one for each of the first few other shapes, and how many more there are."""
    needed, all_known = list(needed), set(wanted if known is None else known)
    misshapen = [
        f"{n} has shape {_drawn(there[n])}, the model needs {_drawn(shape)}"
        for n, shape in wanted.items()
        if n in there and tuple(there[n]) != tuple(shape)
    ]
    return [
        *_listed("missing", [n for n in needed if n not in there]),
        *_listed("left over", [n for n in there if n not in all_known], needed),
        *_briefly(misshapen, " of another shape"),
    ]


def _briefly(lines: list[str], what: str = "") -> list[str]:
    more = len(lines) - SHOWN
    return [*lines[:SHOWN], f"and {more} more{what}"] if more > 0 else lines


def _unfit(name: str, array: Any) -> list[str]:
    kind = np.asarray(array).dtype
    if kind.kind not in "fiub":
        return [f"{name} holds {kind}, not numbers"]
    if kind.kind == "f" and not np.isfinite(array).all():
        return [f"{name} holds numbers that are not finite"]
    return []


def _listed(what: str, names: Sequence[str], near: Sequence[str] = ()) -> list[str]:
    if not names:
        return []
    shown = []
    for name in names[:SHOWN]:
        close = difflib.get_close_matches(name, near, 1, 0.8) if near else []
        shown.append(f"{name} (did you mean {close[0]}?)" if close else name)
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [f"{what}: {', '.join(shown)}{more}"]


def _drawn(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"
