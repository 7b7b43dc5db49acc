"""Our networks in ONNX Runtime, as the benchmark runs them, give our numbers."""

from __future__ import annotations

import numpy as np
import pytest

import cnndsl
from tests.formats.onnx_networks import oddities, random_weights
from tests.tolerances import NETWORK, close

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def test_the_same_numbers() -> None:
    from cnndsl.peers.onnx_runtime import OnnxNetwork

    g = oddities()
    weights = random_weights(g)
    images = np.random.default_rng(0).normal(size=(2, *g.inputs["image"].shape[1:])).astype(np.float32)
    theirs = OnnxNetwork(g, weights, batch=2, threads=1)
    close(theirs.outputs(images)[0], cnndsl.compile(g, weights, batch=2, threads=1)(images), NETWORK)


def test_a_value_inside_and_sizes() -> None:
    from cnndsl.peers.onnx_runtime import OnnxNetwork

    net = cnndsl.load("hourglass")
    weights, sizes = net.initial_weights(0), {"H": 64, "W": 96}
    z = np.random.default_rng(0).normal(size=(1, 64, 96, 32)).astype(np.float32)
    theirs = OnnxNetwork(net.graph, weights, batch=1, threads=1, sizes=sizes)
    (found,) = theirs.outputs(z)
    close(found, cnndsl.compile(net, weights, sizes=sizes, threads=1)(z), NETWORK)
    lenet = cnndsl.load("lenet5")
    inside = OnnxNetwork(lenet.graph, lenet.initial_weights(0), batch=3, threads=1, outputs=("logits",))
    assert inside.outputs(np.zeros((3, 28, 28, 1), np.float32))[0].shape == (3, 10)
