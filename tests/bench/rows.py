"""The workloads that are compared with PyTorch, and how fast each should be: our time divided by PyTorch's better one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import cnndsl
from cnndsl.language.recipe import Sgd, parse_loss
from cnndsl.runtime.safetensors import WeightFile
from cnndsl.training.step import compile_step

LOSS, SGD = "cross_entropy(logits)", Sgd(0.001, 0.9)


@dataclass(frozen=True)
class Row:
    """bars: at most so many times PyTorch's time, where BLAS computes with AVX2 and with AVX-512. aim: where we want to be."""

    model: str
    batch: int
    training: bool
    bars: tuple[float, float]
    aim: float

    @property
    def name(self) -> str:
        return f"{self.model}:{self.batch}" + (":train" if self.training else "")

    def bar(self, vectors: str) -> float:
        return self.bars[vectors == "AVX-512"]

    def __str__(self) -> str:
        return f"{self.model} {'training step' if self.training else 'inference'}, batch {self.batch}"


ROWS = {
    row.name: row
    for row in (
        Row("resnet50", 1, False, (1.1, 1.5), 0.9),
        Row("resnet50", 8, False, (1.1, 1.5), 0.9),
        Row("resnet18", 1, False, (1.1, 1.5), 0.9),
        Row("resnet34", 1, False, (1.1, 1.5), 0.9),
        Row("vgg16", 1, False, (1.0, 1.3), 0.85),
        Row("googlenet", 1, False, (1.1, 1.5), 0.9),
        Row("inception_v3", 1, False, (1.1, 1.5), 0.9),
        Row("resnet20", 64, False, (2.0, 3.0), 1.2),
        Row("mobilenet_v2", 1, False, (2.0, 3.0), 1.3),
        Row("lenet5", 128, True, (1.0, 1.3), 0.7),
        Row("resnet20", 128, True, (2.0, 3.0), 1.0),
        Row("resnet18", 16, True, (1.2, 1.6), 1.0),
    )
}


class Work:
    """A row made ready: the network, its weights with batch-norm statistics that are not the initial ones, and a batch.

    weights: a file to take them from, array by array.
    """

    def __init__(self, row: Row, threads: int, weights: Path | None = None) -> None:
        self.row, self.threads = row, threads
        self.net = cnndsl.load(row.model)
        self.weights = random_weights(self.net) if weights is None else WeightFile(weights)
        rng = np.random.default_rng(1)
        (image,) = self.net.graph.inputs.values()
        self.images = rng.standard_normal((row.batch, *image.shape[1:]), dtype=np.float32)
        self.labels = rng.integers(0, 10, row.batch).astype(np.int32)

    def ours(self, outputs: tuple[str, ...] = (), without: Iterable[str] = ()) -> Any:
        """Compiled: to be called with the images, in training also with the labels."""
        batch, threads = self.row.batch, self.threads
        if self.row.training:
            return compile_step(self.net, self.weights, loss=LOSS, optimizer=SGD, batch=batch, threads=threads, without=without)
        return cnndsl.compile(self.net, self.weights, batch=batch, threads=threads, outputs=outputs, without=without)

    def theirs(self, channels_last: bool, outputs: tuple[str, ...] = ()) -> Any:
        """A `TorchNetwork` with the same weights."""
        from cnndsl.passes.context import Options
        from cnndsl.peers.torch_graph import TorchNetwork

        options = Options(batch=self.row.batch, training=self.row.training, outputs=outputs)
        net = TorchNetwork(self.net.graph, self.weights, options, channels_last=channels_last)
        return net.train(parse_loss(LOSS), SGD) if self.row.training else net


def random_weights(net: Any) -> dict[str, Any]:
    """Initial weights, but γ and β, means and variances drawn at random."""
    rng, found = np.random.default_rng(0), net.initial_weights(seed=0)
    spans = {"gamma": (0.5, 1.2), "beta": (-0.2, 0.2), "mean": (-0.2, 0.2), "variance": (0.6, 1.6)}
    for name, x in found.items():
        low, high = spans.get(name.rsplit(".", 1)[-1], (0.0, 0.0))
        if high:
            found[name] = rng.uniform(low, high, x.shape).astype(np.float32)
    return found
