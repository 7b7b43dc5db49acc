"""A model that leaves sizes open: compiled for each size when it first meets it, the last ones kept in memory."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from cnndsl.errors import error
from cnndsl.graph.graph import Graph
from cnndsl.graph.sizes import Affine
from cnndsl.graph.types import BATCH
from cnndsl.runtime.executable import Executable
from cnndsl.runtime.weights import fitting

KEPT = 8
"""Sizes whose programs are kept: beyond, the one longest unused is compiled anew when it comes again."""


def open_sizes(graph: Graph, given: Mapping[str, int]) -> set[str]:
    """The symbols of the inputs that have no number: H of `HxWx3`, of `where H % 32 == 0` too."""
    free = {name for name, _ in BATCH.terms}
    sizes = (s for x in graph.inputs.values() for s in x.type.shape if isinstance(s, Affine))
    symbols = {name for s in sizes for name, _ in s.terms} - free - set(given)
    return {name.partition("/")[0] for name in symbols} - set(given)


class OpenExecutable:
    """As an `Executable`, for images of any size that the model takes; one call has one size.

    `at(H=256, W=256)` is the executable for a size. `sizes` are those that are compiled now. Safe to call from many
    threads; the first call of a size compiles.
    """

    def __init__(self, graph: Graph, given: Mapping[str, int], build: Callable[[Mapping[str, int]], Executable]) -> None:
        self.graph = graph
        self.given = given
        self.build = build
        self.weights: dict[str, Any] | None = None if graph.state else {}
        self.compiled: OrderedDict[tuple[tuple[str, int], ...], Executable] = OrderedDict()
        self.lock = threading.Lock()

    @property
    def sizes(self) -> list[dict[str, int]]:
        return [dict(key) for key in self.compiled]

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(self.graph.outputs)

    def load(self, weights: Mapping[str, Any] | str | os.PathLike[str]) -> OpenExecutable:
        """Take weights (name → array, or a safetensors file). Raises E501–E504."""
        needed = Graph(self.graph.name)
        needed.state.update((n, s) for n, s in self.graph.state.items() if not s.head)
        found = fitting(needed, weights, self.graph.state)
        with self.lock:
            self.weights = found
            for executable in self.compiled.values():
                executable.load(found)
        return self

    def at(self, **sizes: int) -> Executable:
        """The executable for these sizes, compiled now if it is not there. Raises what `compile` raises for them."""
        sizes = {**self.given, **sizes}
        key = tuple(sorted(sizes.items()))
        with self.lock:
            if key in self.compiled:
                self.compiled.move_to_end(key)
                return self.compiled[key]
            executable = self.build(sizes)
            if self.weights is not None:
                executable.load(self.weights)
            self.compiled[key] = executable
            if len(self.compiled) > KEPT:
                self.compiled.popitem(last=False)
            return executable

    def __call__(self, *images: Any, out: Any = None, **named: Any) -> Any:
        """The outputs for any number of images of one size. Raises E721, E722, and E604 for a size that does not fit."""
        given = dict(zip(self.graph.inputs, images, strict=False)) | named
        return self.at(**self._sizes(given))(*images, out=out, **named)

    def _sizes(self, given: Mapping[str, Any]) -> dict[str, int]:
        """The numbers that the arrays' shapes give to the symbols."""
        found = dict(self.given)
        for name, value in self.graph.inputs.items():
            shape = value.type.shape[1:] if value.node.attrs.batched else value.type.shape
            if name not in given:
                raise error("E721", f"{self.graph.name} takes {', '.join(self.graph.inputs)}: {name} is not given")
            have = np.shape(given[name])[-len(shape) :] if shape else ()
            if len(have) < len(shape):
                raise error("E721", f"input {name} has shape {np.shape(given[name])}, expected n × {len(shape)} sizes")
            for size, number in zip(shape, have, strict=True):
                if isinstance(size, Affine):
                    symbol = size.terms[0][0].partition("/")[0]
                    if found.setdefault(symbol, number) != number:
                        raise error("E721", f"{symbol} is {found[symbol]} and {number}: it must be one number")
        return found
