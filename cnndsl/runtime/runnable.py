"""What every compiled model is to its caller, whatever its target: named inputs and outputs, weights, a call."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cnndsl.errors import error
from cnndsl.graph.graph import Graph
from cnndsl.graph.sizes import Affine, Size
from cnndsl.graph.types import BATCH, drawn
from cnndsl.targets.numpy.frame.network import beyond, destinations

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Input:
    """What a model takes under one name. shape: of one image where `batched`; sizes that are left open are symbols.

    takes: what its numbers are, in words; empty where the model does not say.
    """

    name: str
    shape: tuple[Size, ...]
    dtype: str
    batched: bool
    takes: str = ""

    def fit(self, given: Any) -> Array:
        """`given` as a contiguous array of the input's type, the batch in front. One image is a batch of one, float64
        becomes float32; other shapes are E721, and so are whole numbers where fractions are taken: pixels from 0 to 255
        would give answers without a meaning. So are fractions, and numbers beyond the type, where whole numbers are taken.
        """
        wanted = f"({', '.join(('n', *map(str, self.shape)))})" if self.batched else str(self.shape)
        try:
            array = np.asarray(given)
        except (ValueError, TypeError):
            raise error("E721", f"input {self.name} is no array; expected one of shape {wanted}") from None
        if array.dtype.kind not in "fiub":
            raise error("E721", f"input {self.name} holds {array.dtype}, not numbers")
        if array.ndim and array.dtype.kind in "iub" and np.dtype(self.dtype).kind == "f":
            takes = f": {self.takes}" if self.takes else ""
            help = "cnndsl.data.pipeline.apply(net.preprocess, pictures) prepares them" if takes else f"astype({self.dtype!r})"
            raise error("E721", f"input {self.name} holds {array.dtype}, expected {self.dtype}{takes}", help=help)
        if np.dtype(self.dtype).kind in "iu":
            if array.dtype.kind == "f":
                raise error(
                    "E721", f"input {self.name} holds {array.dtype}, expected {self.dtype}", help="fractions are not cut off"
                )
            if beyond(array, self.dtype):
                message = f"input {self.name} holds {array.min()} to {array.max()}, more than {self.dtype} can"
                raise error("E721", message)
        if self.batched and array.ndim == len(self.shape):
            array = array[None]
        have = array.shape[1:] if self.batched else array.shape
        fits = len(have) == len(self.shape) and array.ndim == len(self.shape) + self.batched
        if not fits or any(n != m for n, m in zip(have, self.shape, strict=True) if not isinstance(m, Affine)):
            message = f"input {self.name} has shape {tuple(np.shape(given))}, expected {wanted}"
            raise error("E721", message, help=channels_first(have, self.shape))
        return np.asarray(array, self.dtype, order="C")


def channels_first(have: Sequence[int], wanted: Sequence[Size]) -> str | None:
    """What to do where an image has its channels first and else the shape that is wanted; None where it has not."""
    if len(have) < 2 or len(have) != len(wanted) or any(n != m for n, m in zip(have, (wanted[-1], *wanted[:-1]), strict=True)):
        return None
    return "channels come last here: np.moveaxis(images, 1, -1)"


class Runnable(ABC):
    """A model with its weights: what `compile` gives.

    `run(images)` takes (n, *shape) for any n (or one image without the batch axis), gives the model's output
    (n, *shape), or a tuple where there are several outputs; `run(image=x, out=y)` works too, with `out` an array of the
    output's shape and type, or a list of an array or None for each output. Where an output is computed from all images
    together (`graph.batch.mixes_images`), an emitted program runs on the batch it was compiled for alone; others are E721.

    Safe to call from many threads, beside `load` too: a call that has begun ends with the weights it began with, one that
    begins after `load` has returned has the new ones.
    """

    loaded = False

    def __init__(self, name: str, graph: Graph, output_names: Sequence[str], takes: Mapping[str, str] | None = None) -> None:
        told = takes or {}
        self.name = name
        self.graph = graph
        self.inputs = {
            n: Input(n, v.type.shape[v.node.attrs.batched :], v.type.dtype, v.node.attrs.batched, told.get(n, ""))
            for n, v in graph.inputs.items()
        }
        self.output_names = tuple(output_names)

    def __repr__(self) -> str:
        """One line: what goes in and comes out, shapes of one image, and how it runs."""
        into = ", ".join(f"{name} {drawn(x.shape)}" for name, x in self.inputs.items())
        told = [f"{into} → {', '.join(self._told_outputs())}", *self._how(), *([] if self.loaded else ["no weights yet"])]
        return f"<{type(self).__name__} {self.name}: {'; '.join(told)}>"

    def _told_outputs(self) -> list[str]:
        return list(self.output_names)

    def _how(self) -> list[str]:
        """How it runs, for people."""
        return []

    @property
    def input_names(self) -> tuple[str, ...]:
        return tuple(self.inputs)

    @abstractmethod
    def load(self, weights: Mapping[str, Any] | str | os.PathLike[str]) -> Self:
        """Take weights (name → array, or a safetensors file) and prepare them. Raises E501–E504."""

    @abstractmethod
    def _run(self, arrays: dict[str, Array], count: int | None, out: Any) -> Any:
        """The outputs for `count` images (None: no input has any), given in arrays that fit."""

    def __call__(self, *images: Any, out: Any = None, **named: Any) -> Any:
        """The outputs for any number of images. Raises E721 where an array does not fit, E722 before `load`, E723."""
        if not self.loaded:
            raise error("E722", f"{self.name} has no weights yet", help="call load(weights) first")
        arrays = self._given(images, named)
        counts = {len(x) for name, x in arrays.items() if self.inputs[name].batched}
        if len(counts) > 1:
            raise error("E721", f"the inputs have different numbers of images: {sorted(counts)}")
        try:
            return self._run(arrays, counts.pop() if counts else None, out)
        except MemoryError:
            raise error("E723", f"{self.name}: not enough memory to run") from None

    def _given(self, images: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Array]:
        names = self.input_names
        given = dict(zip(names, images, strict=False)) | dict(named)
        unknown = [n for n in named if n not in names]
        twice = [n for n in named if n in names[: len(images)]]
        if twice:
            raise error("E721", f"the input {twice[0]} is given twice, by its place and by its name")
        if len(images) > len(names) or unknown or len(given) < len(names):
            what = f"unknown input {unknown[0]}" if unknown else f"{max(len(given), len(images))} given"
            raise error("E721", f"{self.name} takes {', '.join(names)}: {what}")
        return {name: self.inputs[name].fit(given[name]) for name in names}


def checked_out(out: Any, wanted: Mapping[str, tuple[tuple[int, ...], str]]) -> list[Array | None]:
    """The caller's arrays for outputs of these shapes and types, None where there is to be a new one. Raises E721."""
    try:
        return destinations(out, wanted)
    except ValueError as problem:
        raise error("E721", str(problem)) from None


def sizes_of(graph: Graph, arrays: Mapping[str, Array], given: Mapping[str, int]) -> dict[str, int]:
    """The numbers of the symbols of `graph`'s inputs: those given, and what the shapes of the arrays say. Raises E721."""
    found = dict(given)
    for name, value in graph.inputs.items():
        for size, number in zip(value.type.shape, arrays[name].shape, strict=True):
            if not isinstance(size, Affine) or size == BATCH:
                continue
            symbol = size.terms[0][0].partition("/")[0]
            if found.setdefault(symbol, number) != number:
                raise error("E721", f"{symbol} is {found[symbol]} and {number}: it must be one number")
    return found
