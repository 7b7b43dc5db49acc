"""Convolutions of 3×3 alone: their rate, counted as direct arithmetic, beside that of a large matrix product in the same run.

    python tests/bench/layers.py [--threads 2] [--rounds 5]

Each is compiled as a network of one layer with bias and ReLU, as it stands in a network, for one image and for eight.
Between its turns a 2048³ product is timed, so that both meet the same state of the machine.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from machine import describe  # noqa: E402

import cnndsl.ops  # noqa: E402
from cnndsl.graph.graph import Graph  # noqa: E402
from cnndsl.runtime.turns import SPIN, take_turns  # noqa: E402

# (image, channels, filters, stride): where it is met
LAYERS = {
    (224, 64, 64, 1): "VGG-16",
    (112, 64, 128, 1): "VGG-16",
    (112, 128, 128, 1): "VGG-16",
    (56, 128, 256, 1): "VGG-16",
    (56, 256, 256, 1): "VGG-16",
    (28, 256, 512, 1): "VGG-16",
    (28, 512, 512, 1): "VGG-16",
    (14, 512, 512, 1): "VGG-16",
    (56, 64, 64, 1): "ResNet",
    (28, 128, 128, 1): "ResNet",
    (14, 256, 256, 1): "ResNet",
    (7, 512, 512, 1): "ResNet",
    (56, 64, 128, 2): "ResNet-18",
    (28, 128, 256, 2): "ResNet-18",
    (14, 256, 512, 2): "ResNet-18",
    (56, 128, 128, 2): "ResNet-50",
    (56, 64, 192, 1): "GoogLeNet",
    (28, 96, 128, 1): "GoogLeNet",
    (14, 160, 320, 1): "GoogLeNet",
    (35, 96, 96, 1): "Inception v3",
    (35, 288, 384, 2): "Inception v3",
}
BAR, AIM = 0.6, 0.8
SIDE = 2048


def layer(size: int, channels: int, filters: int, stride: int) -> Graph:
    g = Graph("layer")
    g.output(g.input("image", (size, size, channels)).conv(filters, (3, 3), stride=stride, pad=1).relu())
    return g


def measured(key: tuple[int, int, int, int], batch: int, threads: int, rounds: int) -> tuple[float, float]:
    """GFLOP/s of the layer, and of the product."""
    g = layer(*key)
    rng = np.random.default_rng(0)
    run = cnndsl.compile(g, g.initial_weights(1), batch=batch, threads=threads)
    images = rng.standard_normal((batch, key[0], key[0], key[1]), dtype=np.float32)
    out = np.empty_like(run(images))
    a, b = (rng.standard_normal((SIDE, SIDE), dtype=np.float32) for _ in range(2))
    c = np.empty_like(a)
    runs: dict[str, Any] = {"layer": lambda: run(images, out=out), "product": lambda: np.matmul(a, b, out=c)}
    times = take_turns(runs, rounds, burst=3, warm=1, settle=SPIN)
    flops = 2 * out.size * 9 * key[1]
    return flops / statistics.median(times["layer"]) / 1e9, 2 * SIDE**3 / statistics.median(times["product"]) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="turns of three runs each")
    given = parser.parse_args()
    print(describe(), f"{given.threads} threads", sep="; ", flush=True)
    missed = 0
    for key, where in LAYERS.items():
        size, channels, filters, stride = key
        for batch in (1, 8):
            rate, product = measured(key, batch, given.threads, given.rounds)
            share = rate / product
            missed += share < BAR
            said = "MISSED" if share < BAR else "met" if share < AIM else "aim met"
            what = f"{size}x{size}x{channels} → {filters}{', stride 2' if stride == 2 else ''}, batch {batch}"
            print(f"{where:<13} {what:<38} {rate:7.1f} of {product:6.1f} GFLOP/s  {100 * share:5.0f} %  {said}", flush=True)
    print(f"{2 * len(LAYERS) - missed} of {2 * len(LAYERS)} reach {100 * BAR:.0f} %")


if __name__ == "__main__":
    main()
