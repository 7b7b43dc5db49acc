"""Whole networks, with weights whose batch-norm statistics are anything but their initial ones."""

from __future__ import annotations

from typing import Any

import numpy as np

import cnndsl
from cnndsl.graph.graph import Graph


def bundled(name: str) -> Graph:
    """A network that comes with the package."""
    net: Graph = cnndsl.load(name).graph
    return net


def oddities() -> Graph:
    """What the others lack: strides on odd sizes, groups, gates, crops, reflected pads, leaky slopes."""
    g = Graph("oddities")
    image = g.input("image", (17, 15, 3))
    x = image.conv(8, (3, 3), stride=2, pad="same", pad_mode="zero").leaky_relu(0.1)
    y = x.conv(8, (3, 3), groups=4, pad=1, pad_mode="reflect", flip=True).batch_norm().sigmoid()
    z = x.multiply(y).avg_pool((3, 3), stride=2, pad=1, count_padding=True, round="ceil")
    z = z.concat(x.conv(4, (2, 2), dilation=2), fit="crop").scale(0.5)
    g.output(z.subtract(z.maximum(z.relu()).tanh()).log_softmax())
    return g


def random_weights(g: Graph, seed: int = 0) -> dict[str, Any]:
    """Initial weights, but biases, γ of both signs, β, means and variances drawn at random."""
    rng = np.random.default_rng(seed)
    found = g.initial_weights(seed)
    for name, x in found.items():
        last = name.rsplit(".", 1)[-1]
        if last == "gamma":
            found[name] = (rng.uniform(0.5, 1.2, x.shape) * rng.choice([1.0, 1.0, -1.0], x.shape)).astype(np.float32)
        elif last == "variance":
            found[name] = rng.uniform(0.6, 1.6, x.shape).astype(np.float32)
        elif last in ("bias", "beta", "mean"):
            found[name] = rng.normal(0, 0.2, x.shape).astype(np.float32)
    return found
