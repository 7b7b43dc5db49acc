"""random_bits: Philox4x64-10 in 64-bit integers, a thread a block of four words."""

from __future__ import annotations

from cnndsl.graph.graph import Node
from cnndsl.targets.cupy.launch import Launch, launch, product, reads, writes


def random_bits(node: Node) -> list[Launch] | None:
    a, count = node.attrs, product(node.attrs.sizes)
    seed, step = (x.type.dtype for x in node.operands)
    body = [
        f"unsigned long long c0 = i, c1 = (unsigned long long)step[0], c2 = {a.stream:d}ull, c3 = 0;",
        "unsigned long long k0 = (unsigned long long)seed[0], k1 = 0;",
        "for (int round = 0; round < 10; ++round) {",
        "    const unsigned long long h0 = __umul64hi(0xD2E7470EE14C6C93ull, c0), l0 = 0xD2E7470EE14C6C93ull * c0;",
        "    const unsigned long long h1 = __umul64hi(0xCA5A826395121157ull, c2), l1 = 0xCA5A826395121157ull * c2;",
        "    c0 = h1 ^ c1 ^ k0; c1 = l1; c2 = h0 ^ c3 ^ k1; c3 = l0;",
        "    k0 += 0x9E3779B97F4A7C15ull; k1 += 0xBB67AE8584CAA73Bull;",
        "}",
        "const unsigned long long words[4] = {c0, c1, c2, c3};",
        f"for (int k = 0; k < 4 && 4ll * i + k < {count}; ++k) y[4ll * i + k] = words[k];",
    ]
    return [launch([reads("seed", 0, seed), reads("step", 1, step), writes("y", 0, "uint64")], body, -(-count // 4))]
