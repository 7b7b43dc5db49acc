"""Temporary arrays inside a block of bytes that the caller owns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def carve(scratch: Array, *wanted: tuple[tuple[int, ...], str]) -> list[Array]:
    """Arrays of the wanted (shape, dtype) one behind the other in `scratch`, each on a 64-byte boundary."""
    found, at = [], 0
    for shape, dtype in wanted:
        array = np.ndarray(shape, dtype, scratch, at)
        found.append(array)
        at += -(-array.nbytes // 64) * 64
    return found
