"""A model that leaves sizes open: compiled for each size when it first meets it, the last ones kept in memory."""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np

from cnndsl.graph.graph import Graph
from cnndsl.graph.sizes import Affine
from cnndsl.graph.types import BATCH
from cnndsl.passes.context import Options
from cnndsl.passes.inference import wanted_outputs
from cnndsl.passes.specialise import checked_sizes
from cnndsl.runtime.executable import Executable
from cnndsl.runtime.runnable import Array, Runnable, sizes_of
from cnndsl.runtime.weights import fitting, reached

KEPT = 8
"""Sizes whose programs are kept: beyond, the one longest unused is compiled anew when it comes again."""


def open_sizes(graph: Graph, given: Mapping[str, int]) -> set[str]:
    """The symbols of the inputs that have no number: H of `HxWx3`, of `where H % 32 == 0` too."""
    free = {name for name, _ in BATCH.terms}
    sizes = (s for x in graph.inputs.values() for s in x.type.shape if isinstance(s, Affine))
    symbols = {name for s in sizes for name, _ in s.terms} - free - set(given)
    return {name.partition("/")[0] for name in symbols} - set(given)


class OpenExecutable(Runnable):
    """A `Runnable` for images of any size that the model takes; one call has one size.

    The first call of a size compiles, one size at a time; calls of sizes that are there do not wait for it. `at(H=256,
    W=256)` is the `Executable` of a size, with its `program` and `source`; `load` reaches it as long as it is there. `sizes`
    are those that are kept now.
    """

    def __init__(self, graph: Graph, options: Options, build: Callable[[Mapping[str, int]], Executable]) -> None:
        outputs = wanted_outputs(graph, options)
        super().__init__(graph.name, graph, tuple(outputs), options.takes)
        self.given = options.sizes
        self.build = build
        self.needed = reached(graph, outputs.values())
        self.weights: dict[str, Any] = {}
        self.loaded = not self.needed
        self.built: weakref.WeakSet[Executable] = weakref.WeakSet()  # those too that somebody else still has
        self.compiled: OrderedDict[tuple[tuple[str, int], ...], Executable] = OrderedDict()
        self.lock = threading.Lock()  # of `compiled` and `weights`
        self.compiling = threading.Lock()

    @property
    def sizes(self) -> list[dict[str, int]]:
        with self.lock:
            return [dict(key) for key in self.compiled]

    def load(self, weights: Mapping[str, Any] | str | os.PathLike[str]) -> Self:
        found = fitting(self.name, self.needed, weights, self.graph.state)
        with self.lock:
            self.weights = {name: np.array(x) for name, x in found.items()}  # sizes to come are given them too
            for executable in tuple(self.built):
                executable.load(self.weights)
            self.loaded = True
        return self

    def at(self, **sizes: int) -> Executable:
        """The executable for these sizes, compiled now if it is not there. Raises what `compile` raises for them."""
        sizes = checked_sizes(self.graph, {**self.given, **sizes})
        key = tuple(sorted(sizes.items()))
        found = self._kept(key)
        if found is None:
            with self.compiling:
                found = self._kept(key) or self._keep(key, self.build(sizes))
        return found

    def _kept(self, key: tuple[tuple[str, int], ...]) -> Executable | None:
        with self.lock:
            if key in self.compiled:
                self.compiled.move_to_end(key)
            return self.compiled.get(key)

    def _keep(self, key: tuple[tuple[str, int], ...], executable: Executable) -> Executable:
        with self.lock:
            if self.loaded:
                executable.load(self.weights)
            self.compiled[key] = executable
            self.built.add(executable)
            if len(self.compiled) > KEPT:
                self.compiled.popitem(last=False)
        return executable

    def _run(self, arrays: dict[str, Array], count: int | None, out: Any) -> Any:
        """Raises E604 for a size that does not fit, beside what `Runnable` raises."""
        return self.at(**sizes_of(self.graph, arrays, self.given))(*arrays.values(), out=out)
