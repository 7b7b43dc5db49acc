"""Where a program's time goes, kernel by kernel.

The whole program is timed first as it is; then, in turns with that, the same text with a mark before each kernel
(`targets.numpy.marks`), on the same weights and the same memory. What the marks cost is told.

A kernel that runs alone, or that the workers share, counts with the time that passes. Kernels of a region, where each worker
runs all of them on its own images, count with the mean over the workers; what a region takes beyond the mean of its workers
(waking them, waiting for the slower one) is told apart. So the kernels and the rest add up to the whole.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from cnndsl.program.program import Program
from cnndsl.program.work import kind, moved, multiply_adds, operations
from cnndsl.runtime.limits import Limits
from cnndsl.runtime.load import load_source
from cnndsl.runtime.turns import BURST, WARM, take_turns
from cnndsl.targets.numpy.marks import END, WALL, marked

LEAST = 7  # counted runs
ENOUGH = 1.5  # seconds of counted runs, where they are short
Times = dict[int, float]


@dataclass(frozen=True, slots=True)
class KernelTime:
    """workers: seconds of each; empty where one thread runs the kernel alone. cut: each worker has its own images.

    least: the least time by this machine's limits; bound: which of them, `product` or `memory`.
    """

    name: str
    path: str
    kind: str
    algorithm: str
    seconds: float
    workers: tuple[float, ...]
    cut: bool
    multiply_adds: int
    operations: int
    bytes: int
    least: float
    bound: str

    @property
    def gflops(self) -> float:
        return self.operations / self.seconds / 1e9 if self.seconds else 0.0

    @property
    def bandwidth(self) -> float:
        """GB/s."""
        return self.bytes / self.seconds / 1e9 if self.seconds else 0.0

    @property
    def share(self) -> float:
        """Of this machine's limit: 1 is as fast as it could be."""
        return self.least / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Profile:
    """Medians over `runs` runs, in seconds. rest: what is no kernel, by name: `waiting`, `sums`, `copies`, `call`.

    total, fastest: of the program as it is. marked: with its marks.
    """

    program: Program
    limits: Limits
    runs: int
    total: float
    fastest: float
    marked: float
    kernels: tuple[KernelTime, ...]
    rest: dict[str, float]

    @property
    def kernel_seconds(self) -> float:
        return sum(k.seconds for k in self.kernels)

    @property
    def accounted(self) -> float:
        """The kernels and the rest: about the time with marks, of which each is a share."""
        return self.kernel_seconds + sum(self.rest.values())


class Recorder:
    """Takes the marks of one run: for each track, (place, nanoseconds)."""

    def __init__(self, workers: int) -> None:
        self.tracks: list[list[tuple[int, int]]] = [[] for _ in range(workers + 1)]

    def mark(self, track: int, place: int) -> None:
        self.tracks[track].append((place, time.perf_counter_ns()))

    def times(self, track: int) -> Times:
        """place → seconds from its mark to the next."""
        found: Times = defaultdict(float)
        course = self.tracks[track]
        for (place, begun), (_, ended) in pairwise(course):
            if place != END:
                found[place] += (ended - begun) * 1e-9
        return dict(found)


def profile(executable: Any, call: Callable[[], Any], limits: Limits, runs: int | None = None) -> Profile:
    """Time what `call` runs on `executable` (an `Executable` or a `StepExecutable` of the NumPy target), one batch a call.

    runs: how many are counted; None: at least 7, more where they are short.
    """
    program, plain = executable.program, executable.network
    there = marked(executable.source, program)
    twin = load_source(there.text, f"{program.name} marked").Network(plain.threads)
    twin.state, twin.prepared, twin.spare = plain.state, plain.prepared, plain.spare  # no second copy of anything
    recorders: list[Recorder] = []

    def call_marked() -> None:
        recorders.append(Recorder(program.workers))
        twin.mark = recorders[-1].mark
        executable.network = twin
        try:
            call()
        finally:
            executable.network = plain

    rounds = _rounds(call) if runs is None else -(-runs // BURST)
    burst = BURST if runs is None else min(BURST, runs)
    alone = take_turns({"plain": call}, rounds, burst)["plain"]
    both = take_turns({"plain": call, "marked": call_marked}, rounds, burst)
    counted = [r for i, r in enumerate(recorders) if i % (WARM + burst) >= WARM]
    total, with_marks = statistics.median(alone + both["plain"]), both["marked"]
    kernels = tuple(_kernels(program, limits, counted))
    return Profile(
        program, limits, len(alone + both["plain"]), total, min(alone + both["plain"]), statistics.median(with_marks),
        kernels, _rest(program, there.others, counted, with_marks),
    )  # fmt: skip


def _rounds(call: Callable[[], Any]) -> int:
    call()
    began = time.perf_counter()
    call()
    took = time.perf_counter() - began
    return -(-max(LEAST, min(100, int(ENOUGH / max(took, 1e-6)))) // BURST)


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


def _kernels(program: Program, limits: Limits, runs: list[Recorder]) -> Iterable[KernelTime]:
    walls = [r.times(WALL) for r in runs]
    workers = [[r.times(w) for w in range(program.workers)] for r in runs]
    cut = [region.workers > 1 for region in program.run.regions for _ in region.kernels]
    for n, k in enumerate(program.run.kernels):
        each = [_median(run[w].get(n, 0.0) for run in workers) for w in range(program.workers)]
        shares = tuple(each) if any(each) else ()
        if any(n in wall for wall in walls):
            seconds = _median(wall[n] for wall in walls)
        else:
            seconds = _median(statistics.fmean(times[n] for times in run if n in times) for run in workers)
        todo, touched = operations(k), moved(k)
        least = limits.seconds(todo, touched)
        bound = "product" if todo / (limits.product * 1e9) >= least else "memory"
        yield KernelTime(
            k.name,
            k.node.path,
            kind(k),
            k.choice.algorithm,
            seconds,
            shares,
            cut[n],
            multiply_adds(k),
            todo,
            touched,
            least,
            bound,
        )


def _rest(program: Program, others: tuple[str, ...], runs: list[Recorder], whole: list[float]) -> dict[str, float]:
    """Medians of what is no kernel: `waiting` of regions, `sums` of the workers' parts, `copies`, and the `call` around."""
    first = len(program.run.kernels)
    numbers = [n for n, region in enumerate(program.run.regions) for _ in region.kernels]
    found: dict[str, list[float]] = defaultdict(list)
    for r, seconds in zip(runs, whole, strict=True):
        wall = r.times(WALL)
        course = r.tracks[WALL]
        parts = [n for n, what in enumerate(others) if what == "part"]
        waiting = 0.0
        for number, n in enumerate(parts):
            waiting += wall.get(first + n, 0.0)  # up to the first kernel; of a cut region, all of it
            if program.run.regions[number].workers > 1:
                mine = [k for k, region in enumerate(numbers) if region == number]
                waiting -= statistics.fmean(
                    sum(r.times(w).get(k, 0.0) for k in mine) for w in range(program.workers) if r.tracks[w]
                )
        found["waiting"].append(waiting)
        for what, name in (("sum", "sums"), ("copy", "copies")):
            found[name].append(sum(wall.get(first + n, 0.0) for n, x in enumerate(others) if x == what))
        found["call"].append(seconds - (course[-1][1] - course[0][1]) * 1e-9)
    return {name: _median(values) for name, values in found.items()}
