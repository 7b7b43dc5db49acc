"""The network of an emitted module: its weights, memory for its runs, its inputs and outputs, the command."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.targets.numpy.frame.tensors import Tensors, class_names
from cnndsl.targets.numpy.frame.threads import BLAS, BUFFER, Crew

Array = NDArray[Any]

NAME = ""
BATCH = 1
WORKERS = 1
PREPARED_BYTES = 0
INPUTS: dict[str, tuple[tuple[int, ...], str]] = {}
OUTPUTS: dict[str, tuple[tuple[int, ...], str]] = {}
STATE: dict[str, tuple[tuple[int, ...], str]] = {}
PREPARED: dict[str, tuple[int, tuple[int, ...], str]] = {}
BATCHED: frozenset[str] = frozenset()
OPTIONAL: frozenset[str] = frozenset()
KEPT: tuple[str, ...] = ()
CLASSES: dict[str, int] = {}


class Arena:
    """Every array that lives during one run."""

    slices: tuple[tuple[int, int], ...]
    state: dict[str, Array] | Given
    prepared: dict[str, Array]
    results: tuple[Array, ...]

    def bind(self, *arrays: Array) -> None:
        """Take the caller's arrays."""

    def release(self) -> None:
        """Let go of the caller's arrays and of the weights."""


def prepare_weights(net: Network, a: Arena) -> None:
    """Fill `a.prepared` from `a.state`."""


def run_program(net: Network, a: Arena) -> None:
    """One run on the arrays of `a`."""


def block_of(size: int) -> Array:
    """`size` bytes of memory that begin on a 64-byte boundary."""
    block = np.empty(size + 64, np.uint8)
    return block[-block.ctypes.data % 64 :][:size]


def prepared_arrays() -> dict[str, Array]:
    """The arrays of PREPARED by name, in one block; those that are needed at different times share bytes."""
    block = block_of(PREPARED_BYTES)
    return {name: np.ndarray(shape, dtype, block, start) for name, (start, shape, dtype) in PREPARED.items()}


def chosen(weights: str | os.PathLike[str] | Mapping[str, Any]) -> Mapping[str, Any]:
    """What has the arrays of STATE: a file of them, or a mapping name → array. ValueError if one is unfit."""
    given: Any = weights if isinstance(weights, Mapping) else Tensors(os.fspath(weights))
    missing = [name for name in STATE if name not in given and name not in OPTIONAL]
    if missing:
        raise ValueError(f"weights are missing: {', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}")
    for name in STATE:
        if name in given:
            shape = given.shape(name) if reads(given) else np.shape(given[name])
            if shape != STATE[name][0]:
                raise ValueError(f"{name} has shape {shape}, the model needs {STATE[name][0]}")
    return given


def reads(given: Any) -> bool:
    """Whether each array that is asked for is read from a file anew, and its shape is known before."""
    return getattr(given, "READS", False) is True


class Given:
    """The arrays of STATE while they are prepared: each taken when it is asked for, so that a
    file's are not in memory all at once. What is not given is as it was.
    """

    def __init__(self, given: Mapping[str, Any], before: dict[str, Array]) -> None:
        self.given, self.before = given, before

    def __getitem__(self, name: str) -> Array:
        return np.asarray(
            self.given[name] if name in self.given else self.before[name], STATE[name][1], order="C"
        )

    def own(self, name: str) -> Array:
        """An array that nobody else has: a mapping's are the caller's, what is read from a file is new."""
        new = name in self.given and reads(self.given)
        return self[name] if new else np.array(self[name])


def checked(given: tuple[Any, ...]) -> list[Array]:
    """The inputs as contiguous arrays of the right type; ValueError where one does not fit.

    Whole numbers are refused where the model computes with fractions: they are pixels as they are in a file.
    Fractions are, and numbers beyond its range, where it computes with whole ones.
    """
    if len(given) != len(INPUTS):
        raise ValueError(f"{NAME} takes {len(INPUTS)} inputs ({', '.join(INPUTS)}), not {len(given)}")
    found = []
    for array, (name, (shape, dtype)) in zip(given, INPUTS.items(), strict=True):
        x = np.asarray(array)
        if x.ndim and x.dtype.kind in "iub" and np.dtype(dtype).kind == "f":
            says = "prepared as the first lines of this file say"
            raise ValueError(f"{name} holds {x.dtype}, expected {dtype}, {says}")
        if x.dtype.kind not in ("iub" if np.dtype(dtype).kind in "iu" else "fiub"):
            raise ValueError(f"{name} holds {x.dtype}, expected {dtype}")
        if np.dtype(dtype).kind in "iu" and beyond(x, dtype):
            raise ValueError(f"{name} holds {x.min()} to {x.max()}, more than {dtype} can")
        x = np.asarray(x, dtype, order="C")
        if name in BATCHED and x.shape == shape:
            x = x[None]
        fits = x.ndim == len(shape) + 1 and x.shape[1:] == shape if name in BATCHED else x.shape == shape
        if not fits:
            raise ValueError(
                f"{name} has shape {x.shape}, expected {('n', *shape) if name in BATCHED else shape}"
            )
        found.append(x)
    if len(counts_of(found)) > 1:
        raise ValueError(f"the inputs have different numbers of images: {sorted(counts_of(found))}")
    return found


def beyond(x: Array, dtype: str) -> bool:
    """Whether there are whole numbers in `x` that this type of whole numbers does not have."""
    if not x.size or np.can_cast(x.dtype, dtype):
        return False
    limits = np.iinfo(dtype)
    return int(x.min()) < limits.min or int(x.max()) > limits.max


def counts_of(inputs: list[Array]) -> set[int]:
    """How many images the inputs hold; none where no input has a batch."""
    return {len(x) for x, name in zip(inputs, INPUTS, strict=True) if name in BATCHED}


def checked_for_step(given: tuple[Any, ...]) -> list[Array]:
    """As `checked`, and ValueError for any number of images but BATCH, for labels of no class, and for a rate
    that is not finite: it would be in every weight.
    """
    arrays = checked(given)
    for x, name in zip(arrays, INPUTS, strict=True):
        if name in BATCHED and len(x) != BATCH:
            raise ValueError(f"{name} has {len(x)} in its batch, a step is on {BATCH}")
        if name in CLASSES and not 0 <= x.min() <= x.max() < CLASSES[name]:
            raise ValueError(f"{name} holds {x.min()} to {x.max()}, expected 0 to {CLASSES[name] - 1}")
        if not x.ndim and not np.isfinite(x):
            raise ValueError(f"{name} is {x}, expected a finite number")
    return arrays


class Network:
    """The model with its weights.

    threads: how many to use, of the WORKERS that the work is cut for; None: as many. Fewer do several
    workers' shares each: the results are the same to the bit.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads
        self.state: dict[str, Array] = {name: np.zeros(*STATE[name]) for name in KEPT}
        self.prepared = prepared_arrays()
        self.crew = Crew(WORKERS if threads is None else max(1, min(threads, WORKERS)))
        self.spare: list[Arena] = []
        self.lock = threading.Lock()  # of the spare arenas, and of which weights are the present ones
        self.changing = threading.Lock()  # held by what changes the weights: `load`, `step`

    def load(self, weights: str | os.PathLike[str] | Mapping[str, Any]) -> Network:
        """Take the weights from a safetensors file, or from a mapping name → array, and prepare them.

        Runs that have begun end with the weights they began with; those that begin later have the new ones.
        """
        given = chosen(weights)
        with self.changing:
            a, taken = Arena(), Given(given, self.state)
            a.state, a.prepared = taken, prepared_arrays()
            self.guarded(prepare_weights, a)
            state = {name: taken.own(name) for name in KEPT}
            with self.lock:
                self.state, self.prepared = state, a.prepared
        return self

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
        """Run with BLAS on one thread: our workers do the work; where the BLAS is not known, its threads."""
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

    def shared(self, task: Callable[[int], None]) -> None:
        """As `@net.shared` above a function: run it at once, as worker 0, 1, …, side by side."""
        self.crew.run(task, WORKERS)

    def by_images(self, part: Callable[[Network, Arena, int, int, int], None], a: Arena) -> None:
        """Run a part of the program by the workers side by side, each on its own images lo:hi."""
        self.crew.run(lambda worker: part(self, a, worker, *a.slices[worker]), len(a.slices))

    def run_batch(self, a: Arena, *arrays: Array) -> None:
        """One run on a whole batch: inputs in the order of INPUTS, then arrays for OUTPUTS, to be filled."""
        a.bind(*arrays)
        self.guarded(run_program, a)

    def run(self, *given: Any, out: Any = None) -> Any:
        """The outputs for any number of images: in chunks of BATCH, the last one filled up with zeros.

        Of no images, one chunk of zeros: an output without batch has its numbers all the same.
        """
        arrays = checked(given)
        count = max(counts_of(arrays), default=BATCH)
        targets, results = outputs_for(count, arrays, out)
        a = self.arena()
        for low in range(0, max(count, 1), BATCH):
            high = min(low + BATCH, count)
            ins = (chunk(x, low, high, name) for x, name in zip(arrays, INPUTS, strict=True))
            outs = (chunk(y, low, high, name) for y, name in zip(results, OUTPUTS, strict=True))
            self.run_batch(a, *ins, *outs)
            if high - low < BATCH:
                for y, name, last in zip(results, OUTPUTS, a.results, strict=True):
                    if name in BATCHED:
                        y[low:high] = last[: high - low]
        self.give_back(a)
        return delivered(targets, results)

    def step(self, *given: Any) -> Any:
        """One training step on BATCH images: the outputs. Updates `state` in place; `load` waits.

        ValueError for any other number of images, for labels of no class, and for what does not fit.
        """
        arrays = checked_for_step(given)
        _, results = outputs_for(BATCH, arrays, None)
        with self.changing:
            a = self.arena()
            self.run_batch(a, *arrays, *results)
            self.give_back(a)
        return results[0] if len(results) == 1 else tuple(results)


def outputs_for(count: int, inputs: list[Array], out: Any) -> tuple[list[Array | None], list[Array]]:
    """The caller's arrays for the outputs of `count` images or None, and where the results go."""
    shapes = {
        name: ((count, *shape) if name in BATCHED else shape, kind) for name, (shape, kind) in OUTPUTS.items()
    }
    targets = destinations(out, shapes)
    pairs = zip(targets, shapes.values(), strict=True)
    return targets, [np.empty(*shape) if y is None or set_apart(y, inputs) else y for y, shape in pairs]


def delivered(targets: list[Array | None], results: list[Array]) -> Any:
    """The outputs, in the caller's arrays where he gave some."""
    found = []
    for target, result in zip(targets, results, strict=True):
        if target is not None and target is not result:
            target[...] = result
        found.append(result if target is None else target)
    return found[0] if len(found) == 1 else tuple(found)


def destinations(out: Any, wanted: Mapping[str, tuple[tuple[int, ...], str]]) -> list[Array | None]:
    """The caller's arrays for the outputs, None where there is to be a new one. ValueError if one is unfit.

    out: None, an array, or one of these for each output. wanted: the outputs by name, with shapes and types.
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
            raise ValueError(
                f"out does not fit: for {name} it is {y.dtype} {y.shape}, expected {dtype} {shape}"
            )
        if not y.flags.writeable:
            raise ValueError(f"out does not fit: for {name} it is read-only")
    return given


def set_apart(y: Array, inputs: list[Array]) -> bool:
    """Whether results cannot go into `y` at once: it has gaps, or a run may still read what it holds."""
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


def load_step(weights: str | os.PathLike[str] | Mapping[str, Any]) -> Network:
    """A network with these weights, ready for `step`."""
    return Network().load(weights)


def run(*images: Any, out: Any = None) -> Any:
    """The outputs for these images, with the weights given to `load`."""
    if not DEFAULT:
        raise ValueError("no weights yet: call load(path) first")
    return DEFAULT[0].run(*images, out=out)


def array_of(path: str) -> Array:
    """The array of an .npy file; ValueError for another file."""
    with open(path, "rb") as file:
        if file.read(6) != b"\x93NUMPY":
            says = "prepared as the first lines of this file say"
            raise ValueError(f"{path} is no .npy file: images come as one array, {says}")
    try:
        found: Array = np.load(path, allow_pickle=False)
    except Exception as problem:  # a damaged header fails in as many ways as it can be damaged
        raise ValueError(f"{path} is a damaged .npy file: {problem}") from None
    return found


def main(arguments: list[str]) -> int:
    """The command: WEIGHTS IMAGES.npy [--out RESULT.npy]."""
    out = None
    if "--out" in arguments[:-1]:
        at = arguments.index("--out")
        out, arguments = arguments[at + 1], arguments[:at] + arguments[at + 2 :]
    if len(arguments) != 1 + len(INPUTS):
        files = " ".join(f"{x}.npy" for x in INPUTS)
        print(f"usage: python {sys.argv[0]} weights.safetensors {files} [--out result.npy]")
        return 2
    try:
        load(arguments[0])
        found = run(*map(array_of, arguments[1:]))
        first = found[0] if isinstance(found, tuple) else found
        if out is not None:
            np.save(out, first)
            return 0
        names = class_names(arguments[0], first.shape[1]) if first.ndim == 2 else []
    except (ValueError, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    try:
        show(first, names)
    except BrokenPipeError:  # whoever reads has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def show(results: Array, names: list[str]) -> None:
    """Print the five best classes of each image; without names, the numbers."""
    np.set_printoptions(precision=4, suppress=True)
    for n, row in enumerate(results if names else ()):
        top = np.argsort(-row, kind="stable")[:5]
        print(f"{n}: " + ", ".join(f"{names[c]} {row[c]:.4f}" for c in top))
    if not names:
        print(results)
    sys.stdout.flush()


def main_of_step(arguments: list[str]) -> int:
    """A training step has no command of its own; say how it is used."""
    print(f"{NAME} is a training step: import this file, then net = load(weights)")
    print(f"and net.step({', '.join(INPUTS)})")
    return 2
