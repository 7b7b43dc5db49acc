"""The benchmarks' networks, made with the graph API, and their twins in PyTorch."""

from __future__ import annotations

from typing import Any

import cnndsl.ops  # noqa: F401  (fills the registry)
from cnndsl.graph.graph import Graph


def lenet5() -> Graph:
    g = Graph("lenet5")
    x = g.input("image", (28, 28, 1))
    x = x.conv(6, (5, 5), pad=2, name="conv1").tanh().avg_pool((2, 2))
    x = x.conv(16, (5, 5), name="conv2").tanh().avg_pool((2, 2)).flatten()
    x = x.dense(120, name="fc1").tanh().dense(84, name="fc2").tanh().dense(10, name="logits")
    g.output(x.softmax())
    return g


def _unit(x: Any, filters: int, stride: int, path: str) -> Any:
    y = x.conv(filters, (3, 3), stride=stride, pad=1, bias=False, name=f"{path}_conv1")
    y = y.batch_norm(name=f"{path}_norm1").relu()
    y = y.conv(filters, (3, 3), pad=1, bias=False, name=f"{path}_conv2").batch_norm(name=f"{path}_norm2")
    if stride != 1 or x.shape[-1] != filters:
        x = x.conv(filters, (1, 1), stride=stride, bias=False, name=f"{path}_short").batch_norm(name=f"{path}_norm3")
    return y.add(x).relu()


def resnet20() -> Graph:
    """ResNet-20 for 32×32 pictures, projection shortcuts."""
    g = Graph("resnet20")
    x = g.input("image", (32, 32, 3)).conv(16, (3, 3), pad=1, bias=False, name="stem").batch_norm(name="stem_norm").relu()
    for stage, filters in enumerate((16, 32, 64)):
        for unit in range(3):
            x = _unit(x, filters, 2 if stage and not unit else 1, f"s{stage}u{unit}")
    g.output(x.global_avg_pool().dense(10, name="logits").softmax())
    return g


def resnet18() -> Graph:
    g = Graph("resnet18")
    x = (
        g.input("image", (224, 224, 3))
        .conv(64, (7, 7), stride=2, pad=3, bias=False, name="stem")
        .batch_norm(name="stem_norm")
        .relu()
    )
    x = x.max_pool((3, 3), stride=2, pad=1)
    for stage, filters in enumerate((64, 128, 256, 512)):
        for unit in range(2):
            x = _unit(x, filters, 2 if stage and not unit else 1, f"s{stage}u{unit}")
    g.output(x.global_avg_pool().dense(1000, name="logits").softmax())
    return g


def torch_twin(name: str) -> Any:
    """The same network as a PyTorch module that gives logits."""
    from torch import nn

    class Unit(nn.Module):
        def __init__(self, c: int, f: int, s: int) -> None:
            super().__init__()
            self.main = nn.Sequential(
                nn.Conv2d(c, f, 3, s, 1, bias=False),
                nn.BatchNorm2d(f),
                nn.ReLU(),
                nn.Conv2d(f, f, 3, 1, 1, bias=False),
                nn.BatchNorm2d(f),
            )
            short = s != 1 or c != f
            self.short = nn.Sequential(nn.Conv2d(c, f, 1, s, bias=False), nn.BatchNorm2d(f)) if short else nn.Identity()

        def forward(self, x: Any) -> Any:
            return (self.main(x) + self.short(x)).relu()

    if name == "lenet5":
        return nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
            nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
        )  # fmt: skip
    widths, count, classes = ((16, 32, 64), 3, 10) if name == "resnet20" else ((64, 128, 256, 512), 2, 1000)
    stem: list[Any] = (
        [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
        if name == "resnet20"
        else [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    )
    c = widths[0]
    for stage, f in enumerate(widths):
        for unit in range(count):
            stem.append(Unit(c, f, 2 if stage and not unit else 1))
            c = f
    return nn.Sequential(*stem, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, classes))
