"""Two small networks by the graph API."""

from __future__ import annotations

import cnndsl
from cnndsl.graph.graph import Graph


def plain(size: int = 12) -> Graph:
    g: Graph = cnndsl.Graph("plain")
    x = g.input("image", (size, size, 1))
    y = x.conv(6, (5, 5), pad=2).tanh().avg_pool((2, 2)).flatten().dense(10, name="logits")
    g.output(y.softmax())
    return g


def residual(size: int = 32) -> Graph:
    g: Graph = cnndsl.Graph("residual")
    x = g.input("image", (size, size, 3)).conv(16, (3, 3), pad=1, bias=False).batch_norm().relu()
    for width, stride in ((16, 1), (32, 2)):
        y = x.conv(width, (3, 3), stride=stride, pad=1, bias=False).batch_norm().relu()
        y = y.conv(width, (3, 3), pad=1, bias=False).batch_norm()
        short = x if stride == 1 else x.conv(width, (1, 1), stride=stride, bias=False).batch_norm()
        x = y.add(short).relu()
    z = x.conv(8, (1, 1)).relu().concat(x.max_pool((3, 3), stride=1, pad=1))
    g.output(z.global_avg_pool().dense(10, name="logits"))
    return g
