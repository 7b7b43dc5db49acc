"""The part of an emitted module that is the same in all: reading weights, running images, threads, the command.

The emitter copies the classes and functions below by their text. In the emitted module the capital names are the
model's; here they stand for an empty one, so that this file is checked like any other.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.targets.numpy.tensors import read_tensors
from cnndsl.targets.numpy.threads import BLAS, BUFFER, Crew

Array = NDArray[Any]

NAME = ""
BATCH = 1
WORKERS = 1
TRAINING = False
ARENA_BYTES = 0
PREPARED_BYTES = 0
INPUTS: dict[str, tuple[tuple[int, ...], str]] = {}
OUTPUTS: dict[str, tuple[tuple[int, ...], str]] = {}
STATE: dict[str, tuple[tuple[int, ...], str]] = {}
BATCHED: frozenset[str] = frozenset()
OPTIONAL: frozenset[str] = frozenset()


class Arena:
    """Every array that lives during one run."""

    state: dict[str, Array]
    prepared: Prepared

    def release(self) -> None:
        """Let go of the caller's arrays and of the weights."""


class Prepared:
    """Arrays made from the weights."""


def prepare_weights(net: Network, a: Arena) -> None:
    """Fill `a.prepared` from `a.state`."""


def run_program(net: Network, a: Arena) -> None:
    """One run on the arrays of `a`."""


def chosen(weights: str | os.PathLike[str] | Mapping[str, Any]) -> dict[str, Array]:
    """The arrays of STATE, from a safetensors file or a mapping name → array; ValueError where one does not fit."""
    given = weights if isinstance(weights, Mapping) else read_tensors(os.fspath(weights))
    missing = [name for name in STATE if name not in given and name not in OPTIONAL]
    if missing:
        raise ValueError(f"weights are missing: {', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}")
    found = {name: np.asarray(given[name]) for name in STATE if name in given}
    for name, array in found.items():
        if array.shape != STATE[name][0]:
            raise ValueError(f"{name} has shape {array.shape}, the model needs {STATE[name][0]}")
    return found


def checked(given: tuple[Any, ...]) -> list[Array]:
    """The inputs as contiguous arrays of the right type; ValueError where one does not fit.

    Whole numbers are refused where the model computes with fractions: they are pixels as they come from a file.
    """
    if len(given) != len(INPUTS):
        raise ValueError(f"{NAME} takes {len(INPUTS)} inputs ({', '.join(INPUTS)}), not {len(given)}")
    found = []
    for array, (name, (shape, dtype)) in zip(given, INPUTS.items(), strict=True):
        x = np.asarray(array)
        if x.ndim and x.dtype.kind in "iub" and np.dtype(dtype).kind == "f":
            raise ValueError(f"{name} holds {x.dtype}, expected {dtype}, prepared as the first lines of this file say")
        x = np.asarray(x, dtype, order="C")
        if name in BATCHED and x.shape == shape:
            x = x[None]
        if (x.shape[1:] if name in BATCHED else x.shape) != shape or (name in BATCHED and x.ndim != len(shape) + 1):
            raise ValueError(f"{name} has shape {x.shape}, expected {('n', *shape) if name in BATCHED else shape}")
        found.append(x)
    return found


class Network:
    """The model with its weights. `threads`: how many to use, of the WORKERS that the work is cut for; None: as many.

    Fewer threads do several workers' shares each: the results are the same to the bit.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads
        self.state: dict[str, Array] = {name: np.zeros(shape, dtype) for name, (shape, dtype) in STATE.items()}
        self.prepared = Prepared()
        self.crew = Crew(WORKERS if threads is None else max(1, min(threads, WORKERS)))
        self.spare: list[Arena] = []
        self.lock = threading.Lock()  # of the spare arenas, and of which weights are the present ones
        self.changing = threading.Lock()  # held by what changes the weights: `load`, `prepare`, `step`

    def load(self, weights: str | os.PathLike[str] | Mapping[str, Any]) -> Network:
        """Take the weights from a safetensors file, or from a mapping name → array, and prepare them.

        Runs that have begun end with the weights they began with; those that begin later have the new ones.
        """
        found = chosen(weights)
        with self.changing:
            self.change({**self.state, **{name: np.array(x, STATE[name][1], order="C") for name, x in found.items()}})
        return self

    def prepare(self) -> None:
        """Compute what depends on the weights alone. To be called after `state` was changed by hand, beside no run."""
        with self.changing:
            self.change(self.state)

    def change(self, state: dict[str, Array]) -> None:
        a = Arena()
        a.state, a.prepared = state, Prepared()
        self.guarded(prepare_weights, a)
        with self.lock:
            self.state, self.prepared = a.state, a.prepared

    def arena(self) -> Arena:
        """Memory for one run, with the weights as they are now; runs at the same time need one each."""
        with self.lock:
            a = self.spare.pop() if self.spare else Arena()
            a.state, a.prepared = self.state, self.prepared
        return a

    def give_back(self, a: Arena) -> None:
        """Keep the memory for another run."""
        a.release()
        self.spare.append(a)

    def guarded(self, program: Callable[[Network, Arena], None], a: Arena) -> None:
        """Run with BLAS on one thread: our own workers do the work, or where the BLAS is not known, its threads."""
        entered = BLAS.enter()
        if not entered:
            self.crew.size = 1
        try:
            with np.errstate(all="ignore"):
                np.setbufsize(BUFFER)  # set back with the rest of NumPy's error state
                program(self, a)
        finally:
            if entered:
                BLAS.leave()

    def run_batch(self, a: Arena, *arrays: Array) -> None:
        """Run on exactly BATCH images: the inputs in the order of INPUTS, then arrays for OUTPUTS, written in place."""
        a.bind(*arrays)  # type: ignore[attr-defined]
        self.guarded(run_program, a)

    def run(self, *given: Any, out: Any = None) -> Any:
        """The outputs for any number of images: in chunks of BATCH, the last one filled up with zeros."""
        arrays = checked(given)
        count = next((len(x) for x, name in zip(arrays, INPUTS, strict=True) if name in BATCHED), BATCH)
        shapes = {name: ((count, *shape) if name in BATCHED else shape, dtype) for name, (shape, dtype) in OUTPUTS.items()}
        targets = destinations(out, shapes)
        results = [
            np.empty(*shapes[name]) if y is None or set_apart(y, arrays) else y
            for name, y in zip(OUTPUTS, targets, strict=True)
        ]
        a = self.arena()
        for low in range(0, count, BATCH):
            high = min(low + BATCH, count)
            self.run_batch(a, *(chunk(x, low, high, name) for x, name in zip(arrays, INPUTS, strict=True)),
                           *(chunk(y, low, high, name) for y, name in zip(results, OUTPUTS, strict=True)))  # fmt: skip
            if high - low < BATCH:
                for y, name, last in zip(results, OUTPUTS, a.results, strict=True):  # type: ignore[attr-defined]
                    if name in BATCHED:
                        y[low:high] = last[: high - low]
        self.give_back(a)
        for target, result in zip(targets, results, strict=True):
            if target is not None and target is not result:
                target[...] = result
        given_back = [result if target is None else target for target, result in zip(targets, results, strict=True)]
        return given_back[0] if len(results) == 1 else tuple(given_back)

    def step(self, *given: Any) -> Any:
        """One training step on BATCH images: the outputs; `state` is updated in place. Others, and `load`, wait for it."""
        arrays = checked(given)
        results = [np.empty((BATCH, *shape) if name in BATCHED else shape, dtype) for name, (shape, dtype) in OUTPUTS.items()]
        with self.changing:
            a = self.arena()
            self.run_batch(a, *arrays, *results)
            self.give_back(a)
        return results[0] if len(results) == 1 else tuple(results)


def destinations(out: Any, wanted: Mapping[str, tuple[tuple[int, ...], str]]) -> list[Array | None]:
    """The caller's arrays for the outputs, None where there is to be a new one; ValueError where one does not fit.

    out: None, an array, or one of these for each output. wanted: the outputs by name, with their shapes and types.
    """
    given = list(out) if isinstance(out, (tuple, list)) else [None] * len(wanted) if out is None else [out]
    if len(given) != len(wanted):
        raise ValueError(f"out does not fit: {len(given)} for {len(wanted)} outputs ({', '.join(wanted)})")
    for y, (name, (shape, dtype)) in zip(given, wanted.items(), strict=True):
        if y is None:
            continue
        if not isinstance(y, np.ndarray):
            raise ValueError(f"out does not fit: for {name} it is no array but {type(y).__name__}")
        if y.shape != shape or y.dtype != dtype:
            raise ValueError(f"out does not fit: for {name} it is {y.dtype} {y.shape}, expected {dtype} {shape}")
        if not y.flags.writeable:
            raise ValueError(f"out does not fit: for {name} it is read-only")
    return given


def set_apart(y: Array, inputs: list[Array]) -> bool:
    """Whether results need an array of their own before they go into `y`: it has gaps, or may be what a run still reads."""
    return not y.flags.carray or any(np.may_share_memory(y, x) for x in inputs)


def chunk(x: Array, low: int, high: int, name: str) -> Array:
    """Images low:high of an array, filled up to BATCH; an array without batch as it is."""
    if name not in BATCHED:
        return x
    part: Array = x[low:high]
    if len(part) == BATCH and part.flags.c_contiguous:
        return part
    full: Array = np.zeros((BATCH, *part.shape[1:]), part.dtype)
    full[: len(part)] = part
    return full


DEFAULT: list[Network] = []


def load(weights: str | os.PathLike[str] | Mapping[str, Any]) -> Network:
    """Load weights into the one network that `run` of this module uses."""
    DEFAULT[:] = [Network().load(weights)]
    return DEFAULT[0]


def run(*images: Any, out: Any = None) -> Any:
    """The outputs for any number of images, with the weights given to `load`."""
    if not DEFAULT:
        raise ValueError("no weights yet: call load(path) first")
    return DEFAULT[0].run(*images, out=out)


def main(arguments: list[str]) -> int:
    """The command: WEIGHTS IMAGES.npy [--out RESULT.npy]."""
    if TRAINING:
        print(f"{NAME} is a training step: import this file, then net = load(weights) and net.step({', '.join(INPUTS)})")
        return 2
    out = None
    if "--out" in arguments[:-1]:
        at = arguments.index("--out")
        out, arguments = arguments[at + 1], arguments[:at] + arguments[at + 2 :]
    if len(arguments) != 1 + len(INPUTS):
        print(f"usage: python {sys.argv[0]} weights.safetensors {' '.join(f'{x}.npy' for x in INPUTS)} [--out result.npy]")
        return 2
    try:
        load(arguments[0])
        found = run(*(np.load(path, allow_pickle=False) for path in arguments[1:]))
    except (ValueError, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    first = found[0] if isinstance(found, tuple) else found
    if out is not None:
        np.save(out, first)
    elif first.ndim == 2:
        for n, row in enumerate(first):
            top = np.argsort(-row, kind="stable")[:5]
            print(f"{n}: " + ", ".join(f"{c} {row[c]:.4f}" for c in top))
    else:
        np.set_printoptions(precision=4, suppress=True)
        print(first)
    return 0
