"""A network's graph on PyTorch: what training here is held against."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnndsl.graph.graph import INPUT, STATE, Graph
from cnndsl.passes.context import Context, Log, Options
from cnndsl.passes.specialise import specialise


class Twin:
    """A model's graph on PyTorch: NHWC at the border, torch.nn.functional inside, torch.optim for the update."""

    def __init__(self, graph: Graph, weights: dict[str, np.ndarray], batch: int, dtype: str, optimizer: Any) -> None:
        import torch

        from cnndsl.peers.torch_graph import torch_optimizer

        torch.set_num_threads(1)  # two libraries' threads on the same processors only wait for each other
        self.torch = torch
        self.graph = specialise(graph, Context(None, Options(batch=batch), Log()))
        self.state = {name: torch.tensor(array, dtype=getattr(torch, dtype)) for name, array in weights.items()}
        learned = [self.state[n].requires_grad_() for n, s in graph.state.items() if s.kind == "parameter"]
        self.learned, self.optimizer = learned, torch_optimizer(torch, learned, optimizer)
        self.clip: Any = None

    def step(self, images: np.ndarray, labels: np.ndarray, rate: float | None = None) -> float:
        torch = self.torch
        for group in self.optimizer.param_groups:
            group["lr"] = group["lr"] if rate is None else rate
        logits = self.logits(images)
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor(labels, dtype=torch.long))
        self.optimizer.zero_grad()
        loss.backward()
        if self.clip is not None:
            self.clip(self.learned)
        self.optimizer.step()
        return float(loss.detach())

    def logits(self, images: np.ndarray) -> Any:
        """The value named `logits`, for exactly `batch` images or, where nothing depends on it, any number."""
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
        return values[self.graph.names["logits"]]

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
        assert all(p == (0, 0) for p in a.amount)
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
