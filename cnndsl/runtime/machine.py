"""What this machine is: processor, cores, NumPy's BLAS and the core it was made for. Every measured number needs them."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from cnndsl.targets.numpy.frame.threads import BLAS, WIDE_CORES


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), platform.processor() or "unknown")


def cores() -> tuple[int, int]:
    """(those this process may use, those there are)."""
    count = os.cpu_count() or 1
    return (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else count), count


def blas() -> str:
    """NumPy's BLAS, as NumPy says: `scipy-openblas 0.3.31`."""
    import numpy

    built = numpy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{built.get('name', 'unknown')} {built.get('version', '')}".strip()


def blas_core() -> str:
    """The core for which NumPy's OpenBLAS chose its kernels (`SkylakeX`, `Haswell`, `Zen`), or "" where it does not say."""
    return BLAS.core if BLAS.find() else ""


def told() -> str:
    """What the environment tells the BLAS to use, ` as OPENBLAS_CORETYPE=Haswell tells it`; "" where it chose by itself."""
    name = "OPENBLAS_CORETYPE"
    return f" as {name}={os.environ[name]} tells it" if os.environ.get(name) else ""


def vectors(core: str) -> str:
    """`AVX-512` or `AVX2`: what the BLAS computes with on that core."""
    return "AVX-512" if core.lower() in WIDE_CORES else "AVX2"
