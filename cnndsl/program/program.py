"""The program: what will run, exactly, and where every array lies. Assumes neither Python nor CUDA.

Two procedures. `prepare` makes what depends on state alone (folded and packed weights); it runs at load and when
weights change. `run` is the rest. Each is a list of regions with one fork and join each. Every array has a
`Buffer`: its space and offset are known before anything is allocated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cnndsl.graph.graph import Graph, Node
from cnndsl.graph.target import Choice
from cnndsl.graph.types import TensorType


@dataclass(frozen=True, slots=True)
class Buffer:
    """Where a value lives.

    name     unique, an identifier of letters, digits and `_` that begins with a letter; made from the model's names
    space    `input`, `output` (the caller's arrays), `state` (outlives runs), `prepared`, `arena`, `constant`
    slot     the name of the input, output or state it is
    offset   bytes into the arena or the prepared memory
    strides  in elements; None: contiguous in the order of `type.shape`. A strided buffer is a view of its parent
    local    > 0: used only inside one region of several workers. Worker w has its own images' share, beginning at
             offset + w · local, as a contiguous array of its own (images 0 … hi − lo)
    partial  > 0: a leading axis of that many workers' partial sums stands before `type.shape`
    data     the numbers, where space is `constant`
    """

    name: str
    type: TensorType
    space: str
    slot: str = ""
    offset: int = 0
    strides: tuple[int, ...] | None = None
    partial: int = 0
    local: int = 0
    data: tuple[object, ...] = ()

    @property
    def nbytes(self) -> int:
        return self.type.nbytes * max(self.partial, 1)


def images_a_row(b: Buffer, batch: int) -> int:
    """Of a buffer whose axis 0 is the batch: how many images one place of it holds; above 1 in arrays of lanes."""
    return batch // b.type.sizes[0]


@dataclass(frozen=True, slots=True)
class Kernel:
    """One node of the final graph on its buffers. A pointwise kernel may write over an operand of the same shape
    (the very same buffer): it reads each number before it writes it.

    batch    `map`: may be cut along axis 0 of its batched operands; `sum`: may be cut, each part gives a partial sum;
             `whole`: not
    batched  for each input, then each output: is axis 0 the batch?
    """

    name: str
    node: Node
    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]
    batch: str
    batched: tuple[bool, ...]
    choice: Choice


@dataclass(frozen=True, slots=True)
class Join:
    """After a region: `total` = Σ over workers of `partial`, in the order of the workers."""

    partial: Buffer
    total: Buffer


@dataclass(frozen=True, slots=True)
class Region:
    """Kernels with one fork and one join around them.

    workers = 1: each kernel runs whole, and the target may use its library's own threads. workers > 1: each worker
    runs all kernels in order on its slice of the batch, over single-threaded libraries.
    """

    kernels: tuple[Kernel, ...]
    workers: int = 1
    joins: tuple[Join, ...] = ()


@dataclass(frozen=True, slots=True)
class Procedure:
    name: str
    regions: tuple[Region, ...]

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        return tuple(k for region in self.regions for k in region.kernels)


@dataclass(frozen=True, slots=True)
class Copy:
    """At the end of a run: an update that could not be written in place."""

    source: Buffer
    target: Buffer


@dataclass(frozen=True, slots=True)
class Program:
    """All that a target needs to print source, and all that a reader needs to know what will run.

    inputs, outputs, state: by name, in order. batch: images in one call of `run`. scratch_bytes: a worker's; exact in what
    `Target.emitted` gives. For the reader: takes: what the numbers of an input are, in words, by its name; file: the name,
    without `.py`, of the file to be written.
    """

    name: str
    graph: Graph
    target: str
    batch: int
    workers: int
    training: bool
    inputs: Mapping[str, Buffer]
    outputs: Mapping[str, Buffer]
    state: Mapping[str, Buffer]
    prepare: Procedure
    run: Procedure
    copies: tuple[Copy, ...]
    arena_bytes: int
    prepared_bytes: int
    scratch_bytes: int
    takes: Mapping[str, str] = field(default_factory=dict)
    file: str = ""
