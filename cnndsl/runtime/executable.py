"""What a compiled model is to its caller: a function with named inputs and outputs, safe to call from many threads."""

from __future__ import annotations

import os
import types
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.errors import CnnError, error
from cnndsl.graph.graph import Graph, State
from cnndsl.program.program import Program
from cnndsl.runtime.weights import fitting

Array = NDArray[Any]


class Executable:
    """A compiled program with its weights.

    `run(images)` takes (n, *shape) for any n (or one image without the batch axis), gives the model's output
    (n, *shape), or a tuple where there are several outputs; `run(image=x, out=y)` works too. `source` is the text
    that runs, `program` the plan behind it, `log` what the passes did.
    """

    def __init__(
        self, module: types.ModuleType, program: Program, source: str, log: Any, spare: Mapping[str, State], threads: int | None
    ) -> None:
        self.module = module
        self.program = program
        self.source = source
        self.log = log
        self.spare = spare
        self.network = module.Network(threads)
        self.loaded = False
        if not program.graph.state:
            self.load({})  # nothing to wait for

    @property
    def graph(self) -> Graph:
        return self.program.graph

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(self.program.outputs)

    def load(self, weights: Mapping[str, Any] | str | os.PathLike[str]) -> Executable:
        """Take weights (name → array, or a safetensors file) and prepare them. Raises E501–E504."""
        self.network.load(fitting(self.graph, weights, self.spare))
        self.loaded = True
        return self

    def __call__(self, *images: Any, out: Any = None, **named: Any) -> Any:
        """The outputs for any number of images. Raises E721 where an input does not fit, E722 before `load`."""
        if not self.loaded:
            raise error("E722", f"{self.program.name} has no weights yet", help="call load(weights) first")
        arrays = self._given(images, named)
        try:
            return self.network.run(*arrays, out=self._checked(out, arrays))
        except MemoryError:
            raise error("E723", f"{self.program.name}: not enough memory to run") from None

    def _given(self, images: tuple[Any, ...], named: Mapping[str, Any]) -> list[Array]:
        names = list(self.program.inputs)
        given = dict(zip(names, images, strict=False)) | dict(named)
        unknown = [n for n in named if n not in names]
        twice = [n for n in named if n in names[: len(images)]]
        if twice:
            raise error("E721", f"the input {twice[0]} is given twice, by its place and by its name")
        if len(images) > len(names) or unknown or len(given) < len(names):
            what = f"unknown input {unknown[0]}" if unknown else f"{len(given)} given"
            raise error("E721", f"{self.program.name} takes {', '.join(names)}: {what}")
        arrays = [self._fit(name, given[name]) for name in names]
        counts = {len(x) for x, n in zip(arrays, names, strict=True) if n in self.module.BATCHED}
        if len(counts) > 1:
            raise error("E721", f"the inputs have different numbers of images: {sorted(counts)}")
        return arrays

    def _fit(self, name: str, given: Any) -> Array:
        """`given` as a contiguous array of the input's type; numbers of another kind are converted, shapes are not."""
        shape, dtype = self.module.INPUTS[name]
        batched = name in self.module.BATCHED
        wanted = f"({', '.join(('n', *map(str, shape)))})" if batched else str(shape)
        try:
            array = np.asarray(given)
        except (ValueError, TypeError):
            raise error("E721", f"input {name} is no array; expected one of shape {wanted}") from None
        if array.dtype.kind not in "fiub":
            raise error("E721", f"input {name} holds {array.dtype}, not numbers")
        if batched and array.shape == tuple(shape):
            array = array[None]
        if (array.shape[1:] if batched else array.shape) != tuple(shape) or (batched and array.ndim != len(shape) + 1):
            raise error("E721", f"input {name} has shape {tuple(np.shape(given))}, expected {wanted}")
        return np.asarray(array, dtype, order="C")

    def _checked(self, out: Any, arrays: list[Array]) -> Any:
        if out is None:
            return None
        outs = out if isinstance(out, (tuple, list)) else (out,)
        count = next((len(x) for x, n in zip(arrays, self.program.inputs, strict=True) if n in self.module.BATCHED), 1)
        wanted = [((count, *s) if n in self.module.BATCHED else s, d) for n, (s, d) in self.module.OUTPUTS.items()]
        if [(x.shape, str(x.dtype)) for x in outs if isinstance(x, np.ndarray)] != [(tuple(s), d) for s, d in wanted]:
            raise error("E721", f"out does not fit: expected {', '.join(f'{d} {tuple(s)}' for s, d in wanted)}")
        return out


class StepExecutable:
    """A compiled training step on live state. One call at a time: the caller holds the lock.

    spare: the state of the model that no gradient needs (a head that the loss leaves out): given, and left as it is.
    """

    def __init__(
        self, module: types.ModuleType, program: Program, source: str, log: Any, spare: Mapping[str, State], threads: int | None
    ) -> None:
        self.module = module
        self.program = program
        self.source = source
        self.log = log
        self.spare = spare
        self.network = module.Network(threads)

    @property
    def graph(self) -> Graph:
        return self.program.graph

    @property
    def state(self) -> dict[str, Array]:
        """The live arrays: parameters, running statistics, slots, the step counter."""
        return self.network.state

    def load(self, weights: Mapping[str, Any] | str | os.PathLike[str]) -> StepExecutable:
        """Take parameters and buffers, and whatever slots and counters are given with them (a checkpoint)."""
        self.network.load(fitting(self.graph, weights, self.spare))
        return self

    def __call__(self, **inputs: Any) -> dict[str, Array]:
        """One step: outputs by name. The inputs are those of the graph, checked by `training.step`."""
        try:
            found = self.network.step(*(inputs[name] for name in self.program.inputs))
        except ValueError as e:
            raise error("E721", str(e)) from None
        return dict(zip(self.program.outputs, found if isinstance(found, tuple) else (found,), strict=True))


__all__ = ["CnnError", "Executable", "StepExecutable"]
