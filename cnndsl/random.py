"""The one source of random numbers: Philox4x64-10, counted, not stateful.

Word i of a stream is number i % 4 of the block with counter (i // 4, step, stream, 0) under key (seed, 0). So the
same numbers come on every target and after every resume, and there is no generator state to save.
Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", 2011. NumPy's `Philox` raises its counter
before the first block: it gives these words when started one block earlier.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
INITS = ("he_normal", "he_uniform", "glorot_normal", "glorot_uniform", "normal", "zeros")
"""How the language may ask for a weight's initial numbers, the default first."""
CONSTANTS = {"zeros": 0.0, "ones": 1.0, "quarters": 0.25}
_WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
_MASK = (1 << 64) - 1
FEW = 64
"""Words below which starting NumPy's generator takes longer than the words."""
CHUNK = 1 << 20
"""Pairs of words turned into normal numbers at a time, so that a large weight needs no large float64 arrays."""


def stream_of(path: str) -> int:
    """The stream of a name: the first 8 bytes of its BLAKE2b hash, little-endian."""
    return int.from_bytes(hashlib.blake2b(path.encode()).digest()[:8], "little")


def blocks(xp: Any, seed: int, step: int, stream: int, index: Any) -> Any:
    """The blocks with counters (index, step, stream, 0), for a uint64 array of indices: shape (…, 4) of words."""
    low, half = xp.uint64(0xFFFFFFFF), xp.uint64(32)

    def product(constant: int, x: Any) -> tuple[Any, Any]:
        """High and low word of constant · x, from 32-bit halves."""
        a0, a1 = xp.uint64(constant & 0xFFFFFFFF), xp.uint64(constant >> 32)
        x0, x1 = x & low, x >> half
        middle = a1 * x0 + ((a0 * x0) >> half)
        high = a1 * x1 + (middle >> half) + (((middle & low) + a0 * x1) >> half)
        return high, x * xp.uint64(constant)

    c0 = xp.asarray(index, dtype="uint64")
    c1, c2, c3 = (xp.full_like(c0, word & _MASK) for word in (step, stream, 0))
    k0, k1 = seed & _MASK, 0
    for _ in range(10):
        h0, l0 = product(_MULTIPLIERS[0], c0)
        h1, l1 = product(_MULTIPLIERS[1], c2)
        c0, c1, c2, c3 = h1 ^ c1 ^ xp.uint64(k0), l1, h0 ^ c3 ^ xp.uint64(k1), l0
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return xp.stack([c0, c1, c2, c3], axis=-1)


def words(xp: Any, seed: int, step: int, stream: int, start: int, count: int) -> Any:
    """Words start … start + count − 1 of a stream, as a flat uint64 array."""
    first, last = start // 4, -(-(start + count) // 4)
    if xp is np and count > FEW:
        return _fast_words(seed, step, stream, first, last)[start - 4 * first : start - 4 * first + count]
    counters = xp.arange(first, max(last, first), dtype="uint64")
    flat = blocks(xp, seed, step, stream, counters).reshape(-1)
    return flat[start - 4 * first : start - 4 * first + count]


def _fast_words(seed: int, step: int, stream: int, first: int, last: int) -> NDArray[np.uint64]:
    """Blocks first … last − 1 from NumPy's own generator, in C: 4 ns a word instead of 150."""
    counter = (first + ((step & _MASK) << 64) + ((stream & _MASK) << 128) - 1) % (1 << 256)
    return np.random.Philox(key=seed & _MASK, counter=counter).random_raw(4 * (last - first))


def uniform(xp: Any, bits: Any) -> Any:
    """Words as float64 numbers in [0, 1): the upper 53 bits · 2⁻⁵³."""
    return (bits >> xp.uint64(11)).astype("float64") * 2.0**-53


def normal(xp: Any, seed: int, step: int, stream: int, count: int) -> Any:
    """`count` standard normal float64 numbers by Box and Muller's transform of pairs of words."""
    return normal_pairs(xp, seed, step, stream, 0, -(-count // 2))[:count]


def normal_pairs(xp: Any, seed: int, step: int, stream: int, first: int, count: int) -> Any:
    """Twice `count` normal numbers, from the pairs of words first … first + count − 1."""
    u = uniform(xp, words(xp, seed, step, stream, 2 * first, 2 * count)).reshape(count, 2)
    radius = xp.sqrt(-2.0 * xp.log(1.0 - u[:, 0]))
    angle = (2.0 * math.pi) * u[:, 1]
    return xp.stack([radius * xp.cos(angle), radius * xp.sin(angle)], axis=1).reshape(-1)


def initial_array(name: str, sizes: tuple[int, ...], init: str, fan_in: int, seed: int) -> NDArray[np.float32]:
    """The initial numbers of a weight, of variance 2 / fan_in: `he_normal`, `he_uniform` (He et al. 2015), with
    `fan_in` the inputs of one output; `glorot_normal`, `glorot_uniform` (Glorot, Bengio 2010), with `fan_in` inputs and
    outputs together. `normal`: σ = 0.01 (Krizhevsky et al. 2012). `zeros`, `ones`, `quarters`.
    """
    if init in CONSTANTS:
        return np.full(sizes, CONSTANTS[init], np.float32)
    count, stream = math.prod(sizes), stream_of(name)
    found = np.empty(count, np.float32)
    if init.endswith("_uniform"):
        side = math.sqrt(6.0 / fan_in)
        for i in range(0, count, 2 * CHUNK):
            part = found[i : i + 2 * CHUNK]
            part[:] = (2.0 * uniform(np, words(np, seed, 0, stream, i, len(part))) - 1.0) * side
    else:
        spread = 0.01 if init == "normal" else math.sqrt(2.0 / fan_in)
        for i in range(0, count, 2 * CHUNK):
            part = found[i : i + 2 * CHUNK]
            part[:] = (normal_pairs(np, seed, 0, stream, i // 2, -(-len(part) // 2)) * spread)[: len(part)]
    return found.reshape(sizes)
