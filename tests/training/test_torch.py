"""Against PyTorch from equal weights: the network's graph run by PyTorch's own functions, gradients and SGD.

Skipped where PyTorch is not installed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cnndsl.language.recipe import Sgd

import cnndsl
from cnndsl.data import datasets, pipeline
from cnndsl.graph.graph import INPUT, STATE, Graph
from cnndsl.passes.context import Context, Log, Options
from cnndsl.passes.specialise import specialise
from cnndsl.training.step import build_step, compile_step

pytestmark = pytest.mark.torch


class Twin:
    """A model's graph on PyTorch: NHWC at the border, torch.nn.functional inside, torch.optim.SGD for the update."""

    def __init__(self, graph: Graph, weights: dict[str, np.ndarray], batch: int, dtype: str, optimizer: Sgd) -> None:
        import torch

        self.torch = torch
        self.graph = specialise(graph, Context(None, Options(batch=batch), Log()))
        self.state = {name: torch.tensor(array, dtype=getattr(torch, dtype)) for name, array in weights.items()}
        learned = [self.state[n].requires_grad_() for n, s in graph.state.items() if s.kind == "parameter"]
        a = optimizer
        self.sgd = torch.optim.SGD(learned, a.rate, a.momentum, weight_decay=a.weight_decay, nesterov=a.nesterov)

    def step(self, images: np.ndarray, labels: np.ndarray) -> float:
        torch = self.torch
        dtype = next(iter(self.state.values())).dtype
        values: dict[Any, Any] = {}
        for node in self.graph.nodes:
            if node.op is INPUT:
                y = torch.tensor(images, dtype=dtype)
            elif node.op is STATE:
                y = self.state[node.attrs.name]
            else:
                y = getattr(self, node.op.name)(node.attrs, *(values[x] for x in node.operands))
            values[node.outputs[0]] = y
        loss = torch.nn.functional.cross_entropy(values[self.graph.names["logits"]], torch.tensor(labels, dtype=torch.long))
        self.sgd.zero_grad()
        loss.backward()
        self.sgd.step()
        return float(loss)

    def conv(self, a: Any, x: Any, w: Any, b: Any = None) -> Any:
        f = self.torch.nn.functional
        (top, bottom), (left, right) = a.pad
        x = f.pad(x.permute(0, 3, 1, 2), (left, right, top, bottom))
        return f.conv2d(x, w.permute(3, 2, 0, 1), b, stride=a.stride, dilation=a.dilation, groups=a.groups).permute(0, 2, 3, 1)

    def dense(self, a: Any, x: Any, w: Any, b: Any = None) -> Any:
        return x @ w if b is None else x @ w + b

    def avg_pool(self, a: Any, x: Any) -> Any:
        return self.torch.nn.functional.avg_pool2d(x.permute(0, 3, 1, 2), a.window, a.stride).permute(0, 2, 3, 1)

    def max_pool(self, a: Any, x: Any) -> Any:
        return self.torch.nn.functional.max_pool2d(x.permute(0, 3, 1, 2), a.window, a.stride).permute(0, 2, 3, 1)

    def global_avg_pool(self, a: Any, x: Any) -> Any:
        return x.mean(dim=(1, 2))

    def batch_norm(self, a: Any, x: Any, gamma: Any, beta: Any, mean: Any, variance: Any) -> Any:
        y = self.torch.nn.functional.batch_norm(
            x.permute(0, 3, 1, 2), mean, variance, gamma, beta, training=True, momentum=1 - a.momentum, eps=a.eps
        )
        return y.permute(0, 2, 3, 1)

    def pad(self, a: Any, x: Any) -> Any:
        assert all(p == (0, 0) for p in a.space)
        return self.torch.nn.functional.pad(x, tuple(a.channels))

    def relu(self, a: Any, x: Any) -> Any:
        return self.torch.relu(x)

    def tanh(self, a: Any, x: Any) -> Any:
        return self.torch.tanh(x)

    def flatten(self, a: Any, x: Any) -> Any:
        return x.flatten(1)

    def identity(self, a: Any, x: Any) -> Any:
        return x

    def add(self, a: Any, *xs: Any) -> Any:
        return sum(xs[1:], xs[0])

    def softmax(self, a: Any, x: Any) -> Any:
        return self.torch.softmax(x, -1)


def distance(ours: dict[str, Any], twin: Twin) -> float:
    """max |a − b| / max |b| over each tensor, the largest of them. A tensor of zeros must be zeros."""
    worst = 0.0
    for name, b in twin.state.items():
        theirs = b.detach().numpy()
        gap, scale = np.abs(ours[name] - theirs).max(), np.abs(theirs).max()
        worst = max(worst, float(gap / scale) if scale else (float("inf") if gap else 0.0))
    return worst


def together(ours: dict[str, Any], twin: Twin) -> float:
    """The same over all tensors together."""
    gap = max(float(np.abs(ours[n] - b.detach().numpy()).max()) for n, b in twin.state.items())
    return gap / max(float(b.detach().abs().max()) for b in twin.state.values())


def noise(batch: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(batch, 32, 32, 3)), rng.integers(0, 10, batch).astype(np.int32)


def test_lenet5_after_20_float32_steps() -> None:
    net = cnndsl.load("lenet5")
    sgd = Sgd(rate=0.05, momentum=0.9, weight_decay=1e-4)
    weights = net.initial_weights(seed=3)
    step = compile_step(net, weights, optimizer=sgd, batch=64, loss=net.train.loss)
    twin = Twin(net.graph, weights, 64, "float32", sgd)
    train = datasets.open("digits").train
    for k in range(20):
        chosen = np.arange(64) * 50 + k
        images, labels = pipeline.floats(train.images[chosen]), train.labels[chosen]
        assert step(images, labels) == pytest.approx(twin.step(images, labels), rel=1e-4)
    assert distance(step.weights, twin) <= 1e-4


def test_resnet20_after_20_float64_steps(walk: Callable[..., Any]) -> None:
    net = cnndsl.load("resnet_cifar", n=3)
    sgd = Sgd(rate=0.01, momentum=0.9, weight_decay=1e-4)
    graph = build_step(net, net.train.loss, sgd, 4)
    weights = net.initial_weights(seed=1)
    state: dict[str, Any] = {n: np.zeros(s.type.sizes, s.type.dtype) for n, s in graph.state.items()} | weights
    twin = Twin(net.graph, weights, 4, "float64", sgd)
    for k in range(20):
        images, labels = noise(4, k)
        outputs, updates = walk(graph, state, {"image": images, "label": labels, "rate": 0.01, "seed": np.uint64(0)})
        state |= updates
        assert float(outputs["loss"]) == pytest.approx(twin.step(images, labels), rel=1e-6)
    assert distance(state, twin) <= 1e-6


def test_resnet20_after_one_float32_step() -> None:
    net = cnndsl.load("resnet_cifar", n=3)
    sgd = Sgd(rate=0.1, momentum=0.9, weight_decay=1e-4)
    weights = net.initial_weights(seed=1)
    step = compile_step(net, weights, optimizer=sgd, batch=32, loss=net.train.loss)
    twin = Twin(net.graph, weights, 32, "float32", sgd)
    images, labels = noise(32, 5)
    images = images.astype(np.float32)
    assert step(images, labels) == pytest.approx(twin.step(images, labels), rel=1e-4)
    assert together(step.weights, twin) <= 1e-4
