"""What machine a benchmark ran on: every number is worth only as much as this line beside it."""

from __future__ import annotations

import numpy as np

from cnndsl.runtime.limits import product_rate
from cnndsl.runtime.machine import blas, blas_core, cores, processor, told, vectors


def describe() -> str:
    """Processor, BLAS, and the rate of a 2048³ float32 product in this very run."""
    core = blas_core()
    return (
        f"{processor()}, {cores()[0]} cores; NumPy {np.__version__}, {blas()} for {core or 'an unknown core'}"
        f" ({vectors(core)}){told()}; 2048³ float32 product: {product_rate():.0f} GFLOP/s"
    )
