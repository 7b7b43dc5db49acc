"""The part of an emitted CuPy module that is the same in all, and the one door to CuPy.

The emitter copies the text below the line `# Copied from here` and never imports this file; `device.py` imports it
to ask for a GPU. The capital names are the model's; here they stand for an empty one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import cupy as cp
import numpy as np

from cnndsl.targets.numpy.frame.network import checked, checked_for_step, chosen, chunk, counts_of, destinations

BATCH = 1
ARENA_BYTES = 0
PREPARED_BYTES = 0
SCRATCH_BYTES = 0
CUDA = ""
NAME = ""
INPUTS: dict[str, tuple[tuple[int, ...], str]] = {}
OUTPUTS: dict[str, tuple[tuple[int, ...], str]] = {}
STATE: dict[str, tuple[tuple[int, ...], str]] = {}
CONSTANTS: dict[str, tuple[list[Any], str, tuple[int, ...]]] = {}
BATCHED: frozenset[str] = frozenset()
TOGETHER = False
BUFFERS: dict[str, tuple[str, int, tuple[int, ...], str]] = {}


def devices() -> int:
    """How many GPUs there are. CuPy's own error where there is no driver."""
    return int(cp.cuda.runtime.getDeviceCount())


def device_name() -> str:
    """The current GPU, as the driver calls it."""
    return str(cp.cuda.runtime.getDeviceProperties(cp.cuda.Device().id)["name"].decode())


def run_program(net: Network, a: Arena) -> None:
    """One run on the arrays of `a`."""


def prepare_weights(net: Network, a: Arena) -> None:
    """Fill `a.prepared` from `a.state`."""


# Copied from here ----------------------------------------------------------------------------------------------------

MODULE = cp.RawModule(code=CUDA, options=("--std=c++17",))
FUNCTIONS: dict[str, Any] = {}


def launch(name: str, blocks: int, threads: int, *arrays: Any) -> None:
    """Start one kernel on device arrays, passed as pointers. It is compiled with the whole module on first use."""
    if name not in FUNCTIONS:
        FUNCTIONS[name] = MODULE.get_function(name)
    FUNCTIONS[name]((blocks,), (threads,), arrays)


def copy_results(found: Any, *targets: Any) -> None:
    """Results of a reference into their arrays."""
    for result, target in zip(found, targets, strict=True):
        target[...] = result.reshape(target.shape)


def carve(space: str, size: int) -> dict[str, Any]:
    """The arrays of one block of device memory, by name. Arrays that are needed at different times share bytes."""
    block = cp.empty(size, "uint8")
    found = {"block": block}
    for name, (where, start, shape, dtype) in BUFFERS.items():
        if where == space:
            count = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
            found[name] = block[start : start + count].view(dtype).reshape(shape)
    return found


class Arena:
    """Every array of one run, as attributes. `bind` gives it the caller's inputs."""

    state: Any
    prepared: Any

    def __init__(self) -> None:
        self.__dict__.update(carve("arena", ARENA_BYTES))
        self.scratch = cp.empty(SCRATCH_BYTES, "uint8")
        self.given: Any = None
        self.results: list[Any] = []
        for name, (shape, dtype) in OUTPUTS.items():
            self.results.append(cp.empty((BATCH, *shape) if name in BATCHED else shape, dtype))

    def bind(self, *inputs: Any) -> None:
        self.given = [cp.asarray(x) for x in inputs]


class State(Mapping[str, Any]):
    """The weights on the device. Reading gives a copy in the machine's own memory; assigning writes to the device."""

    def __init__(self) -> None:
        self.arrays = {name: cp.zeros(shape, dtype) for name, (shape, dtype) in STATE.items()}

    def __getitem__(self, name: str) -> Any:
        return cp.asnumpy(self.arrays[name])

    def __setitem__(self, name: str, array: Any) -> None:
        self.arrays[name][...] = cp.asarray(array, dtype=STATE[name][1])

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)


class Network:
    """The model with its weights, on the current GPU. `threads` is there for the sake of other targets."""

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads
        self.state = State()
        self.prepared = carve("prepared", PREPARED_BYTES)
        self.constants = {
            name: cp.asarray(data, dtype=dtype).reshape(shape) for name, (data, dtype, shape) in CONSTANTS.items()
        }
        self.spare: list[Arena] = []
        self.lock = threading.Lock()  # of the spare arenas, and of which weights are the present ones
        self.changing = threading.Lock()  # held by what changes the weights: `load`, `prepare`, `step`

    def load(self, weights: str | os.PathLike[str] | Mapping[str, Any]) -> Network:
        """Take the weights from a safetensors file, or from a mapping name → array, and prepare them.

        Runs that have begun end with the weights they began with; those that begin later have the new ones.
        """
        found = chosen(weights)
        with self.changing:
            state = State()
            for name, array in {**self.state.arrays, **found}.items():
                state[name] = array
            self.change(state)
        return self

    def prepare(self) -> None:
        """Compute what depends on the weights alone. To be called after `state` was changed by hand, beside no run."""
        with self.changing:
            self.change(self.state)

    def change(self, state: State) -> None:
        a = Arena()
        a.state, a.prepared = state, carve("prepared", PREPARED_BYTES)
        prepare_weights(self, a)
        with self.lock:
            self.state, self.prepared = a.state, a.prepared

    def arena(self) -> Arena:
        """Memory for one run, with the weights as they are now; runs at the same time need one each."""
        with self.lock:
            a = self.spare.pop() if self.spare else Arena()
            a.state, a.prepared = self.state, self.prepared
        return a

    def give_back(self, a: Arena) -> None:
        """Keep the memory for another run, but neither the caller's arrays nor the weights."""
        a.given = a.state = a.prepared = None
        self.spare.append(a)

    def run_batch(self, a: Arena, *arrays: Any) -> None:
        """Run on exactly BATCH images: the inputs in the order of INPUTS, then arrays for OUTPUTS, written in place."""
        a.bind(*arrays[: len(INPUTS)])
        run_program(self, a)
        for target, result in zip(arrays[len(INPUTS) :], a.results, strict=True):
            target[...] = cp.asnumpy(result).reshape(target.shape)

    def run(self, *given: Any, out: Any = None) -> Any:
        """The outputs for any number of images: in chunks of BATCH, the last one filled up with zeros.

        ValueError for any number but BATCH where the images are computed TOGETHER.
        """
        arrays = checked(given)
        count = max(counts_of(arrays), default=BATCH)
        if TOGETHER and count != BATCH:
            raise ValueError(f"{NAME} computes with {BATCH} images at once, so it does not run on {count}")
        shapes = {name: ((count, *shape) if name in BATCHED else shape, dtype) for name, (shape, dtype) in OUTPUTS.items()}
        targets = destinations(out, shapes)
        results = [np.empty(*shapes[name]) if y is None else y for name, y in zip(OUTPUTS, targets, strict=True)]
        a = self.arena()
        for low in range(0, max(count, 1), BATCH):
            high = min(low + BATCH, count)
            a.bind(*(chunk(x, low, high, name) for x, name in zip(arrays, INPUTS, strict=True)))
            run_program(self, a)
            for y, result, name in zip(results, a.results, OUTPUTS, strict=True):
                if name in BATCHED:
                    y[low:high] = cp.asnumpy(result[: high - low])
                else:
                    y[...] = cp.asnumpy(result)
        self.give_back(a)
        return results[0] if len(results) == 1 else tuple(results)

    def step(self, *given: Any) -> Any:
        """One training step on BATCH images: the outputs; the state is updated in place, on the device.

        ValueError for any other number of images, for labels of no class, and for what does not fit.
        """
        arrays = checked_for_step(given)
        with self.changing:
            a = self.arena()
            a.bind(*arrays)
            run_program(self, a)
            results = [cp.asnumpy(x) for x in a.results]
            self.give_back(a)
        return results[0] if len(results) == 1 else tuple(results)
