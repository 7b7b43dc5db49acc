"""What machine a benchmark ran on: every number is worth only as much as this line beside it."""

from __future__ import annotations

import os
import platform
import statistics
import time

import numpy as np


def processor() -> str:
    """The processor's name, with the widest vector unit it reports."""
    name, flags = platform.processor() or "unknown", ""
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            lines = dict(line.split(":", 1) for line in file if ":" in line)
        found = {key.strip(): value.strip() for key, value in lines.items()}
        name, flags = found.get("model name", name), found.get("flags", "")
    width = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "no AVX2"
    return f"{name}, {width}, {len(os.sched_getaffinity(0))} cores"


def sgemm_rate(size: int = 2048, times: int = 5) -> float:
    """GFLOP/s of a float32 product of two size × size matrices, the median of `times`."""
    a = np.random.default_rng(0).standard_normal((size, size), dtype=np.float32)
    out = np.empty_like(a)
    found = []
    for _ in range(times):
        began = time.perf_counter()
        np.matmul(a, a, out=out)
        found.append(time.perf_counter() - began)
    return 2 * size**3 / statistics.median(found) / 1e9


def describe() -> str:
    return f"{processor()}; NumPy {np.__version__}, sgemm 2048: {sgemm_rate():.0f} GFLOP/s"
