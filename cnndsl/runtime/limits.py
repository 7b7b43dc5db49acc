"""What this machine can do at most: matrix products and memory, on one and on all threads.

Measured in the run that is to be judged, never looked up; the best of several tries, because whatever else runs on a
machine only slows it. Products are NumPy's, of float32, large enough to reach the library's full rate. Memory is read and
written by the same kind of loops that kernels here are made of: `copy` (out ← x) and `triad` (out ← x + y).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnndsl.targets.numpy.frame.threads import BLAS

SIDE = 2048  # rows of the matrices: at 1024 OpenBLAS reaches 95 % of this rate
SMALLEST = 1 << 16  # bytes of a thread's arrays together: the first-level cache and a little more
BEYOND = 192 << 20  # bytes that no cache holds, where the system does not say how large its caches are
LARGEST = 1 << 30
TIME = 4e-3  # seconds of one try


@dataclass(frozen=True, slots=True)
class Limits:
    """product_one, product: GFLOP/s of one thread and of all. memory: (bytes touched by all threads, GB/s) by size, of the
    triad on all threads; copy, triad: (in cache, beyond caches) in GB/s on all threads.
    """

    threads: int
    product_one: float
    product: float
    memory: tuple[tuple[int, float], ...]
    copy: tuple[float, float]
    triad: tuple[float, float]

    def bandwidth(self, touched: float) -> float:
        """GB/s for work that touches so many bytes, between the sizes that were measured."""
        sizes, rates = zip(*self.memory, strict=True)
        return float(np.interp(math.log(max(touched, 1.0)), [math.log(s) for s in sizes], rates))

    def seconds(self, operations: float, touched: float) -> float:
        """The least time for that many floating-point operations on that many bytes: whichever limit is met."""
        return max(operations / (self.product * 1e9), touched / (self.bandwidth(touched) * 1e9))

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def measure(threads: int) -> Limits:
    """This machine's limits on so many threads; half a second on two cores."""
    with ThreadPoolExecutor(threads) as pool:
        one = product_rate(1)
        many = max(product_rate(threads), shared_product_rate(pool, threads)) if threads > 1 else one
        largest = beyond_caches()
        sizes = [SMALLEST * threads]
        while sizes[-1] * 8 < largest:
            sizes.append(sizes[-1] * 4)
        sizes.append(largest)
        triad = [(size, memory_rate(pool, threads, size, "triad")) for size in sizes]
        copy = [memory_rate(pool, threads, size, "copy") for size in (sizes[1], sizes[-1])]
    best = max(rate for _, rate in triad)
    return Limits(threads, one, many, tuple(triad), (copy[0], copy[1]), (best, triad[-1][1]))


def words(m: Limits) -> str:
    """The limits in one sentence."""
    one = f" ({m.product_one:.0f} on one thread)" if m.threads > 1 else ""
    return (
        f"products {m.product:.0f} GFLOP/s{one}; "
        f"memory {m.triad[0]:.0f} GB/s in cache, {m.triad[1]:.1f} beyond (copying {m.copy[0]:.0f} and {m.copy[1]:.1f})"
    )


def best_of(run: Callable[[], None], tries: int) -> float:
    """Seconds."""
    found = []
    for _ in range(tries):
        began = time.perf_counter()
        run()
        found.append(time.perf_counter() - began)
    return min(found)


def product_rate(threads: int | None = None, tries: int = 4) -> float:
    """GFLOP/s of a float32 product of two 2048 × 2048 matrices on BLAS's own threads: so many, or as they are set."""
    a = np.random.default_rng(0).standard_normal((SIDE, SIDE), dtype=np.float32)
    out = np.empty_like(a)
    before = BLAS.get() if threads is not None and BLAS.find() else None
    try:
        if before is not None:
            BLAS.set(threads)
        return 2 * SIDE**3 / best_of(lambda: _into(a, a, out), tries) / 1e9
    finally:
        if before is not None:
            BLAS.set(before)


def _into(a: Any, b: Any, out: Any) -> None:
    np.matmul(a, b, out=out)


def shared_product_rate(pool: ThreadPoolExecutor, threads: int) -> float:
    """The same, each thread its share of the rows over one-thread BLAS, as the workers of a program do."""
    a = np.random.default_rng(0).standard_normal((SIDE, SIDE), dtype=np.float32)
    out = np.empty_like(a)
    cuts = [(w * SIDE // threads, (w + 1) * SIDE // threads) for w in range(threads)]
    if not BLAS.enter():
        return 0.0
    try:
        return 2 * SIDE**3 / best_of(lambda: _all(pool, [(a[i:j], a, out[i:j]) for i, j in cuts], _into), 4) / 1e9
    finally:
        BLAS.leave()


def _all(pool: ThreadPoolExecutor, work: list[tuple[Any, ...]], do: Callable[..., None]) -> None:
    for done in [pool.submit(do, *each) for each in work]:
        done.result()


def beyond_caches() -> int:
    """Bytes that no cache holds: twice the largest one."""
    largest = 0
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = path.read_text().strip()
        unit = {"K": 1 << 10, "M": 1 << 20}.get(text[-1:], 1)
        largest = max(largest, int(text.rstrip("KM")) * unit) if text.rstrip("KM").isdecimal() else largest
    room = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 8 if hasattr(os, "sysconf") else BEYOND
    return max(SMALLEST * 64, min(max(BEYOND, 2 * largest), LARGEST, room))


def memory_rate(pool: ThreadPoolExecutor, threads: int, touched: int, kind: str) -> float:
    """GB/s read and written by all threads together, each on its own arrays, of `touched` bytes in all."""
    arrays = 3 if kind == "triad" else 2
    count = touched // (4 * arrays * threads)
    own = [[np.ones(count, np.float32) for _ in range(arrays)] for _ in range(threads)]
    repeat = max(1, int(TIME * 20e9 * threads / touched))
    once = _triad if kind == "triad" else _copy

    def turns(*mine: Any) -> None:
        for _ in range(repeat):
            once(*mine)

    work = [tuple(x) for x in own]
    _all(pool, work, turns)
    return arrays * 4 * count * threads * repeat / best_of(lambda: _all(pool, work, turns), 4) / 1e9


def _triad(x: Any, y: Any, out: Any) -> None:
    np.add(x, y, out=out)


def _copy(x: Any, out: Any) -> None:
    np.copyto(out, x)
