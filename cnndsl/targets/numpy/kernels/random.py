"""Random words: Philox4x64-10 (Salmon et al., 2011) at a given place, the same numbers on every target."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def random_bits(seed: Array, step: Array, out: Array, *, stream: int, start: int) -> None:
    """out: the words start … of the sequence with key (seed, 0), counter (index // 4, step, stream, 0).

    NumPy's generator counts up before its first block, so it starts one below. 4,096 words at a time.
    """
    flat = out.reshape(-1)
    skip = start % 4
    before = (start // 4 - 1) % 2**64
    # One below block 0 borrows from the next word: the counter is one number of 256 bits.
    high = (int(step) + (stream << 64) - (start < 4)) % 2**192
    words = [before, high % 2**64, (high >> 64) % 2**64, high >> 128]
    bits = np.random.Philox(key=np.array([int(seed), 0], "u8"), counter=np.array(words, "u8"))
    if skip:
        bits.random_raw(skip)
    for i in range(0, len(flat), 4096):
        part = flat[i : i + 4096]
        part[...] = bits.random_raw(len(part))
