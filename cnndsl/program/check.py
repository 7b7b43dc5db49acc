"""check: an independent judge of a plan. It runs a program on labels instead of numbers, byte by byte.

Every byte of every space remembers which value was last written there. A kernel that reads a byte which holds another
value than its operand finds a plan that let two living arrays share memory. Inside a region of several workers no
order holds between them, so nothing that one worker writes may be touched by another. Knows nothing of how plans are
made: only the records of `program.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnndsl.graph.graph import Graph, Value
from cnndsl.graph.types import ITEM_BYTES
from cnndsl.program.program import Buffer, Kernel, Program, Region

Labels = NDArray[np.int32]


@dataclass(frozen=True)
class Touch:
    """One access: where it lies (a view on labels, one a byte), and the label it reads or leaves."""

    where: Labels
    label: int
    what: str


def check(program: Program) -> list[str]:
    """What is wrong with the plan, in words; empty where nothing is. Takes 4 bytes for each byte of the arena."""
    return _Judge(program).run()


class _Judge:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.roots = _roots(program.graph)
        self.ran = {k.node for k in (*program.prepare.kernels, *program.run.kernels)}
        self.labels: dict[object, int] = {}
        self.problems: list[str] = []
        self.spaces = {"arena": _blank(program.arena_bytes), "prepared": _blank(program.prepared_bytes)}
        for kind, found in (("state", program.state), ("input", program.inputs), ("output", program.outputs)):
            for name, b in found.items():
                self.spaces[f"{kind} {name}"] = _blank(b.type.nbytes)

    def run(self) -> list[str]:
        graph = self.program.graph
        for kind, values in (("state", graph.state_values), ("input", graph.inputs)):
            for name, value in values.items():
                if f"{kind} {name}" in self.spaces:
                    self.spaces[f"{kind} {name}"][...] = self._label(value)
        for region in (*self.program.prepare.regions, *self.program.run.regions):
            self._region(region)
        for copy in self.program.copies:
            self._place(copy.target)[...] = self._place(copy.source)
        for kind, values in (("output", graph.outputs), ("state", graph.state_values | graph.updates)):
            for name, value in values.items():
                wanted = self._label(self.roots[value])
                if not (self.spaces[f"{kind} {name}"] == wanted).all():
                    self.problems.append(f"{kind} {name} does not hold its value in the end")
        return self.problems

    def _region(self, region: Region) -> None:
        shares = list(_shares(self.program.batch, region.workers))
        accesses: list[tuple[list[Touch], list[Touch]]] = []
        for worker, (low, high) in enumerate(shares):
            reads: list[Touch] = []
            writes: list[Touch] = []
            for k in region.kernels:
                found = self._kernel(k, region.workers > 1, worker, low, high)
                reads += found[0]
                writes += found[1]
            accesses.append((reads, writes))
        for w, (_, writes) in enumerate(accesses):
            for v, (reads, others) in enumerate(accesses):
                if w != v:
                    self._apart(writes, [*reads, *others], f"workers {w} and {v}")
        for join in region.joins:
            value = self._total_value(region, join.total, join.partial)
            part = self._place(join.partial)
            if not (part == self._label((value, "part"))).all():
                self.problems.append(f"{join.partial.name} is not whole when it is joined")
            self._place(join.total)[...] = self._label(value)

    def _total_value(self, region: Region, total: Buffer, partial: Buffer) -> Value:
        for k in region.kernels:
            for b, y in zip(k.outputs, k.node.outputs, strict=True):
                if b.name == partial.name:
                    return y
        raise KeyError(total.name)

    def _kernel(self, k: Kernel, cut: bool, worker: int, low: int, high: int) -> tuple[list[Touch], list[Touch]]:
        reads, writes = [], []
        for i, (b, x) in enumerate(zip(k.inputs, k.node.operands, strict=True)):
            if b.space == "constant":
                continue
            place = self._place(b, cut and k.batched[i], worker, low, high)
            touch = Touch(place, self._label(self.roots[x]), f"{k.name} reads {b.name}")
            if not (place == self._expected(self.roots[x], place)).all():
                self.problems.append(f"{touch.what}, which holds another value by then")
            reads.append(touch)
        for i, (b, y) in enumerate(zip(k.outputs, k.node.outputs, strict=True)):
            place = self._place(b, cut and k.batched[len(k.inputs) + i], worker, low, high)
            writes.append(Touch(place, self._label((y, "part") if b.partial else self.roots[y]), f"{k.name} writes {b.name}"))
        self._in_place(k, reads, writes)
        for i, one in enumerate(writes):
            self._apart([one], writes[i + 1 :], k.name)
            one.where[...] = one.label
        return reads, writes

    def _expected(self, value: Value, place: Labels) -> Labels | int:
        """What an operand must hold: its label, or, of a concat that is never run, its parts' side by side, and of a part
        that is never taken out, the label of what it would be taken from.
        """
        if value.node.op.name == "take_part" and value.node not in self.ran:
            return self._label(self.roots[value.node.operands[0]])
        if value.node.op.name != "concat" or value.node in self.ran:
            return self._label(value)
        channels = [np.full(x.type.sizes[-1], self._label(self.roots[x]), np.int32) for x in value.node.operands]
        row = np.concatenate(channels)[:, None]
        repeats = place.size // (row.size * place.shape[-1])
        whole = np.broadcast_to(row, (repeats, row.size, place.shape[-1]))
        return whole.reshape(place.shape)

    def _in_place(self, k: Kernel, reads: list[Touch], writes: list[Touch]) -> None:
        """Only what a kernel reads number by number may it write, and only number upon number."""
        anchor = k.node.attrs.anchor if k.node.op.name == "fused" else None if k.node.op.pointwise is not None else k.node
        whole = set(k.node.operands) if anchor is k.node else set()
        if anchor is not None and anchor is not k.node:
            inner = k.node.attrs.inner.inputs.values()
            whole = {x for x, i in zip(k.node.operands, inner, strict=True) if i in anchor.operands}
        read = [x for x, b in zip(k.node.operands, k.inputs, strict=True) if b.space != "constant"]
        for one in writes:
            for other, x in zip(reads, read, strict=True):
                same = one.where.ctypes.data == other.where.ctypes.data and one.where.shape == other.where.shape
                if x in whole or not (same and one.where.strides == other.where.strides):
                    self._apart([one], [other], k.name)

    def _apart(self, these: list[Touch], those: list[Touch], who: str) -> None:
        for a in these:
            for b in those:
                if np.may_share_memory(a.where, b.where) and np.shares_memory(a.where, b.where):
                    self.problems.append(f"{who}: {a.what} and {b.what} share bytes")

    def _label(self, key: object) -> int:
        return self.labels.setdefault(key, len(self.labels) + 1)

    def _place(self, b: Buffer, cut: bool = False, worker: int = 0, low: int = 0, high: int = 0) -> Labels:
        """The labels of a buffer's bytes: one axis more than its shape, for the bytes of a number."""
        space = self.spaces[b.space if b.space in ("arena", "prepared") else f"{b.space} {b.slot}"]
        size = ITEM_BYTES[b.type.dtype]
        shape: tuple[int, ...] = b.type.sizes
        offset = b.offset + worker * b.local
        if cut or b.local:  # an array of lanes has several images in each place of axis 0
            many = self.program.batch // shape[0]
            low, high = low // many, high // many
        if b.local:
            shape = (high - low, *shape[1:])
        if b.partial:
            shape = (b.partial, *shape)
        strides = _contiguous(shape) if b.strides is None else b.strides
        steps = (*(4 * size * s for s in strides), 4)
        try:
            found: Labels = np.ndarray((*shape, size), np.int32, space, 4 * offset, steps)
        except ValueError:
            self.problems.append(f"{b.name} lies outside its memory")
            return np.zeros((1, 1), np.int32)
        if b.partial:
            return found[worker : worker + 1] if high else found
        return found[low:high] if cut and not b.local else found


def _blank(nbytes: int) -> Labels:
    return np.zeros(max(nbytes, 1), np.int32)


def _shares(batch: int, workers: int) -> Iterator[tuple[int, int]]:
    """The images of each worker; written again here, because the judge trusts nobody. None is empty."""
    for w in range(workers):
        low, high = w * batch // workers, (w + 1) * batch // workers
        if low == high:
            raise ValueError(f"worker {w} of {workers} has none of {batch} images")
        yield low, high


def _contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    found, step = [], 1
    for n in reversed(shape):
        found.append(step)
        step *= n
    return tuple(reversed(found))


def _roots(graph: Graph) -> dict[Value, Value]:
    roots: dict[Value, Value] = {}
    for node in graph.nodes:
        for y in node.outputs:
            roots[y] = roots[node.operands[0]] if node.op.view else y
    return roots
