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
    counters = xp.arange(first, max(last, first), dtype="uint64")
    flat = blocks(xp, seed, step, stream, counters).reshape(-1)
    return flat[start - 4 * first : start - 4 * first + count]


def uniform(xp: Any, bits: Any) -> Any:
    """Words as float64 numbers in [0, 1): the upper 53 bits · 2⁻⁵³."""
    return (bits >> xp.uint64(11)).astype("float64") * 2.0**-53


def normal(xp: Any, seed: int, step: int, stream: int, count: int) -> Any:
    """`count` standard normal float64 numbers by Box and Muller's transform of pairs of words."""
    pairs = -(-count // 2)
    u = uniform(xp, words(xp, seed, step, stream, 0, 2 * pairs)).reshape(pairs, 2)
    radius = xp.sqrt(-2.0 * xp.log(1.0 - u[:, 0]))
    angle = (2.0 * math.pi) * u[:, 1]
    return xp.stack([radius * xp.cos(angle), radius * xp.sin(angle)], axis=1).reshape(-1)[:count]


def initial_array(name: str, sizes: tuple[int, ...], init: str, fan_in: int, seed: int) -> NDArray[np.float32]:
    """The initial numbers of a weight, of variance 2 / fan_in: `he_normal`, `he_uniform` (He et al. 2015), with
    `fan_in` the inputs of one output; `glorot_normal`, `glorot_uniform` (Glorot, Bengio 2010), with `fan_in` inputs and
    outputs together. `normal`: σ = 0.01 (Krizhevsky et al. 2012). `zeros`, `ones`, `quarters`.
    """
    if init in CONSTANTS:
        return np.full(sizes, CONSTANTS[init], np.float32)
    count, stream = math.prod(sizes), stream_of(name)
    if init.endswith("_uniform"):
        side = math.sqrt(6.0 / fan_in)
        drawn = (2.0 * uniform(np, words(np, seed, 0, stream, 0, count)) - 1.0) * side
    else:
        drawn = normal(np, seed, 0, stream, count) * (0.01 if init == "normal" else math.sqrt(2.0 / fan_in))
    return drawn.astype(np.float32).reshape(sizes)
