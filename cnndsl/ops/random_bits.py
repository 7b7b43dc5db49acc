"""random_bits: uint64 words of Philox4x64-10, the one source of randomness in a graph.

words (sizes): word i is number i % 4 of the block with counter (i // 4, step, stream, 0) under key (seed, 0). seed,
step: rank-0 integers; stream: from the path of the node that asks. Salmon et al., "Parallel Random Numbers: As Easy
as 1, 2, 3", 2011.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cnndsl.graph import window
from cnndsl.graph.op import Op, Reject, expect, sample
from cnndsl.graph.types import TensorType


@dataclass(frozen=True, slots=True)
class RandomBitsAttrs:
    stream: int
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        expect(type(self.stream) is int and 0 <= self.stream < 1 << 64, "a stream of 64 bits", "E303", stream=self.stream)
        window.check_whole(self.sizes, "sizes", len(self.sizes))


def infer(a: RandomBitsAttrs, seed: TensorType, step: TensorType) -> tuple[TensorType]:
    for x in (seed, step):
        expect(x.shape == () and not x.is_float, "a whole number for seed and for step", given=x)
    return (TensorType(a.sizes, "uint64"),)


def reference(xp: Any, a: Any, seed: Any, step: Any) -> tuple[Any]:
    low, half = xp.uint64(0xFFFFFFFF), xp.uint64(32)

    def product(constant: int, x: Any) -> Any:
        """High and low word of constant · x."""
        c0, c1 = xp.uint64(constant & 0xFFFFFFFF), xp.uint64(constant >> 32)
        x0, x1 = x & low, x >> half
        middle = c1 * x0 + ((c0 * x0) >> half)
        high = c1 * x1 + (middle >> half) + (((middle & low) + c0 * x1) >> half)
        return high, x * (c0 | (c1 << half))

    count = 1
    for n in a.sizes:
        count *= n
    blocks = -(-count // 4)
    c0 = xp.arange(blocks, dtype="uint64")
    c1 = xp.zeros(blocks, "uint64") + xp.asarray(step).astype("uint64")
    c2 = xp.zeros(blocks, "uint64") + xp.uint64(a.stream)
    c3 = xp.zeros(blocks, "uint64")
    k0 = xp.zeros(blocks, "uint64") + xp.asarray(seed).astype("uint64")
    k1 = xp.zeros(blocks, "uint64")
    for _ in range(10):
        h0, l0 = product(0xD2E7470EE14C6C93, c0)
        h1, l1 = product(0xCA5A826395121157, c2)
        c0, c1, c2, c3 = h1 ^ c1 ^ k0, l1, h0 ^ c3 ^ k1, l0
        k0 = k0 + xp.uint64(0x9E3779B97F4A7C15)
        k1 = k1 + xp.uint64(0xBB67AE8584CAA73B)
    return (xp.stack([c0, c1, c2, c3], axis=1).reshape(4 * blocks)[:count].reshape(a.sizes),)


RANDOM_BITS = Op(
    "random_bits",
    RandomBitsAttrs,
    infer,
    reference,
    inputs=2,
    batch="make",
    no_gradient="random words do not depend on anything",
    samples=(
        sample(np.uint64(7), np.int64(3), stream=11, sizes=(2, 5)),
        sample(np.uint64(0), np.int64(0), stream=2**63 + 1, sizes=(3, 4, 4, 1)),
    ),
    rejects=(Reject(("float32[]", "int64[]"), "a whole number", {"stream": 0, "sizes": (2,)}),),
)
