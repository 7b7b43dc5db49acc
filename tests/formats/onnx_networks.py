"""Whole networks by the graph API, with weights whose batch-norm statistics are anything but their initial ones."""

from __future__ import annotations

from typing import Any

import numpy as np

import cnndsl.ops  # noqa: F401  (registers the words)
from cnndsl.graph.graph import Graph, Value


def lenet5() -> Graph:
    g = Graph("lenet5")
    x = g.input("image", (28, 28, 1)).conv(6, (5, 5), pad=2).tanh().avg_pool((2, 2))
    x = x.conv(16, (5, 5)).tanh().avg_pool((2, 2)).flatten().dense(120).tanh().dense(84).tanh()
    g.output(x.dense(10, name="logits").softmax())
    return g


def normed(x: Value, filters: int, kernel: int, stride: int = 1) -> Value:
    return x.conv(filters, (kernel, kernel), stride=stride, pad="same_symmetric", bias=False).batch_norm()


def basic(x: Value, width: int, stride: int, project: bool) -> Value:
    y = normed(normed(x, width, 3, stride).relu(), width, 3)
    if stride != 1 and not project:
        before = (width - x.shape[-1]) // 2
        x = x.max_pool((1, 1), stride=stride).pad(channels=(before, width - x.shape[-1] - before))
    elif x.shape[-1] != width:
        x = normed(x, width, 1, stride)
    return y.add(x).relu()


def resnet20() -> Graph:
    g = Graph("resnet20")
    x = normed(g.input("image", (32, 32, 3)), 16, 3).relu()
    for width in (16, 32, 64):
        for k in range(3):
            x = basic(x, width, 2 if width > 16 and k == 0 else 1, project=False)
    g.output(x.global_avg_pool().dense(10, name="logits").softmax())
    return g


def resnet18() -> Graph:
    g = Graph("resnet18")
    x = normed(g.input("image", (224, 224, 3)), 64, 7, 2).relu().max_pool((3, 3), stride=2, pad=1)
    for width in (64, 128, 256, 512):
        for k in range(2):
            x = basic(x, width, 2 if width > 64 and k == 0 else 1, project=True)
    g.output(x.global_avg_pool().dense(1000, name="logits").softmax())
    return g


def inception(x: Value, c1: int, r3: int, c3: int, r5: int, c5: int, p: int) -> Value:
    def cr(x: Value, filters: int, k: int = 1) -> Value:
        return x.conv(filters, (k, k), pad="same").relu()

    deep, wide = cr(cr(x, r3), c3, 3), cr(cr(x, r5), c5, 5)
    return cr(x, c1).concat(deep, wide, cr(x.max_pool((3, 3), stride=1, pad="same"), p))


def googlenet() -> Graph:
    """GoogLeNet of the paper (Szegedy et al. 2014, table 1) without its local response normalisation, with both heads."""
    g = Graph("googlenet")
    x = g.input("image", (224, 224, 3)).conv(64, (7, 7), stride=2, pad="same").relu()
    x = x.max_pool((3, 3), stride=2, round="ceil").conv(64, (1, 1)).relu().conv(192, (3, 3), pad="same").relu()
    x = x.max_pool((3, 3), stride=2, round="ceil")
    x = inception(inception(x, 64, 96, 128, 16, 32, 32), 128, 128, 192, 32, 96, 64).max_pool((3, 3), stride=2, round="ceil")
    x = inception(x, 192, 96, 208, 16, 48, 64)
    g.heads["aux1"] = head(x)
    x = inception(inception(x, 160, 112, 224, 24, 64, 64), 128, 128, 256, 24, 64, 64)
    x = inception(x, 112, 144, 288, 32, 64, 64)
    g.heads["aux2"] = head(x)
    x = inception(x, 256, 160, 320, 32, 128, 128).max_pool((3, 3), stride=2, round="ceil")
    x = inception(inception(x, 256, 160, 320, 32, 128, 128), 384, 192, 384, 48, 128, 128)
    g.output(x.global_avg_pool().dropout(0.4).dense(1000, name="logits").softmax())
    return g


def head(x: Value) -> Value:
    x = x.avg_pool((5, 5), stride=3).conv(128, (1, 1)).relu().flatten()
    return x.dense(1024).relu().dropout(0.7).dense(1000)


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
