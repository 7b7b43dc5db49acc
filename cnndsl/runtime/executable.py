"""A program that was printed and loaded: for inference a function, for training a step on live state."""

from __future__ import annotations

import os
import types
from collections.abc import Mapping
from typing import Any, Self

from numpy.typing import NDArray

from cnndsl.errors import CnnError, counted, error
from cnndsl.graph.graph import State
from cnndsl.graph.types import drawn
from cnndsl.passes.context import Log
from cnndsl.program.program import Program
from cnndsl.runtime.load import load_source
from cnndsl.runtime.runnable import Runnable
from cnndsl.runtime.weights import fitting

Array = NDArray[Any]


def how(program: Program) -> str:
    """`numpy, batch 8, 2 threads`."""
    return f"{program.target}, batch {program.batch}, {counted(program.workers, 'thread')}"


class Loaded:
    """`source` is the text that runs, `program` the plan behind it, `log` what the passes did.

    spare: state of the model that the program does not need (a head): it may be given with the weights, and is left out.
    """

    def __init__(self, program: Program, source: str, log: Log, spare: Mapping[str, State], threads: int | None) -> None:
        self.program = program
        self.source = source
        self.log = log
        self.spare = spare
        self.module: types.ModuleType = load_source(source, program.name)
        self.network = self.module.Network(threads)

    def load(self, weights: Mapping[str, Any] | str | os.PathLike[str]) -> Self:
        """Take weights (name → array, or a safetensors file) and prepare them. Raises E501–E504.

        For a step: parameters and buffers, and whatever slots and counters are given with them (a checkpoint).
        """
        self.network.load(fitting(self.program.name, self.program.graph.state, weights, self.spare))
        return self


class Executable(Loaded, Runnable):
    """A compiled program with its weights: what a `Runnable` is, with its `source`, `program` and `log`.

    graph: what runs, after all passes.
    """

    def __init__(self, program: Program, source: str, log: Log, spare: Mapping[str, State], threads: int | None) -> None:
        Loaded.__init__(self, program, source, log, spare, threads)
        Runnable.__init__(self, program.name, program.graph, tuple(program.outputs), program.takes)
        if not program.graph.state:
            self.load({})  # nothing to wait for

    def _told_outputs(self) -> list[str]:
        return [f"{name} {drawn(shape)}" for name, (shape, _) in self.module.OUTPUTS.items()]

    def _how(self) -> list[str]:
        return [how(self.program)]

    def load(self, weights: Mapping[str, Any] | str | os.PathLike[str]) -> Self:
        Loaded.load(self, weights)
        self.loaded = True
        return self

    def _run(self, arrays: Mapping[str, Array], count: int | None, out: Any) -> Any:
        """What the network refuses (an `out` that does not fit, a number of images) is E721."""
        try:
            return self.network.run(*arrays.values(), out=out)
        except ValueError as e:
            raise error("E721", str(e)) from None


class StepExecutable(Loaded):
    """A compiled training step on live state. One call at a time: others, and `load`, wait for it."""

    def __init__(self, program: Program, source: str, log: Log, spare: Mapping[str, State], threads: int | None) -> None:
        super().__init__(program, source, log, spare, threads)
        self.graph = program.graph

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.program.name}: {how(self.program)}>"

    @property
    def state(self) -> dict[str, Array]:
        """The live arrays: parameters, running statistics, slots, the step counter. `load` makes new ones."""
        return self.network.state

    def __call__(self, **inputs: Any) -> dict[str, Array]:
        """One step: outputs by name. The inputs are those of the graph, checked by `training.step`. Raises E721, E723."""
        try:
            found = self.network.step(*(inputs[name] for name in self.program.inputs))
        except ValueError as e:
            raise error("E721", str(e)) from None
        except MemoryError:
            raise error("E723", f"{self.program.name}: not enough memory for a step") from None
        return dict(zip(self.program.outputs, found if isinstance(found, tuple) else (found,), strict=True))


__all__ = ["CnnError", "Executable", "StepExecutable"]
