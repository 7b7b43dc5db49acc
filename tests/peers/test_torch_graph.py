"""Our graphs on PyTorch give our numbers: every op's samples, whole networks, training steps. Skipped without PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cnndsl
import cnndsl.ops
from cnndsl.errors import CnnError
from cnndsl.graph.graph import Graph, State
from cnndsl.graph.types import TensorType
from cnndsl.language.recipe import Sgd, parse_loss
from cnndsl.passes.context import Options
from cnndsl.targets.reference.interpreter import evaluate
from cnndsl.training.step import compile_step
from tests.formats.onnx_networks import oddities, random_weights
from tests.ops.samples import Case, cases
from tests.tolerances import GRAD32, NETWORK, OP, close

pytestmark = pytest.mark.torch

NO_COUNTERPART = {
    "max_pool-4", "avg_pool-2", "avg_pool-4", "resample-6", "resample-7", "resample-8", "downsample-1", "downsample-2",
    "lrn-3", "channel_shuffle-2", "space_to_depth", "depth_to_space", "stochastic_depth", "noise",
}  # fmt: skip
"""What PyTorch has no function of its own for: whole ops, or samples."""
WORDS = tuple(op for op in cnndsl.ops.OPS if op.word)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def alone(c: Case) -> tuple[Graph, dict[str, Any], list[Any]]:
    """(the op as a graph, its weights, its inputs)."""
    g, arrays = Graph("sample"), c.narrow
    flowing = len(arrays) if c.op.inputs is None else c.op.inputs
    images = arrays[:flowing]
    operands = [g.input(f"x{k}", x.shape[1:], str(x.dtype)) for k, x in enumerate(images)]
    weights = {f"w{k}": x for k, x in enumerate(arrays[flowing:])}
    operands += [g.add_state(State(name, TensorType(x.shape))) for name, x in weights.items()]
    for y in g.add(c.op, operands, c.given):
        g.output(y)
    return g, weights, list(images)


def on_torch(g: Graph, weights: dict[str, Any], images: list[Any], last: bool = False, **options: Any) -> Any:
    from cnndsl.peers.torch_graph import TorchNetwork

    net = TorchNetwork(g, weights, Options(batch=len(images[0]), **options), channels_last=last)
    return net.outputs(net.given(*images))[0]


@pytest.mark.parametrize("c", cases(WORDS), ids=lambda c: c.id)
def test_op(c: Case) -> None:
    if any(len(x) != len(c.arrays[0]) for x in c.arrays[: c.op.inputs or len(c.arrays)]):
        pytest.skip("operands that broadcast along the batch stand in no network")
    g, weights, images = alone(c)
    if c.id in NO_COUNTERPART or c.op.name in NO_COUNTERPART:
        with pytest.raises(CnnError, match="E645"):
            on_torch(g, weights, images, training=True)
        return
    for last in (False, True):
        close(on_torch(g, weights, images, last), c.reference()[0], OP)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("name", ["lenet5", "resnet20", "mobilenet_v2", "googlenet", "oddities"])
def test_network(name: str, last: bool) -> None:
    """LeNet-5 has a dense layer behind flatten, GoogLeNet branches, MobileNet depthwise layers."""
    g = oddities() if name == "oddities" else cnndsl.load(name).graph
    weights, outputs = random_weights(g), ("logits",) if name != "oddities" else ()
    images = np.random.default_rng(1).normal(size=(2, *g.inputs["image"].shape[1:])).astype(np.float32)
    ours = cnndsl.compile(g, weights, batch=2, outputs=outputs, threads=1)(images)
    close(on_torch(g, weights, [images], last, outputs=outputs), ours, NETWORK)


def test_a_flattened_value_that_is_read_otherwise_keeps_our_order() -> None:
    g = Graph("both")
    x = g.input("image", (3, 4, 2)).flatten()
    g.output(x.dense(5).concat(x))
    weights = random_weights(g)
    images = np.random.default_rng(0).normal(size=(2, 3, 4, 2)).astype(np.float32)
    want = evaluate(g, {"image": images}, weights)[0]
    close(on_torch(g, weights, [images]), next(iter(want.values())), OP)


def test_what_is_read_twice_is_not_written_over() -> None:
    g = Graph("twice")
    x = g.input("image", (4, 4, 3)).conv(3, (1, 1))
    g.output(x.relu().add(x))
    weights = random_weights(g)
    images = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype(np.float32)
    want = evaluate(g, {"image": images}, weights)[0]
    close(on_torch(g, weights, [images]), next(iter(want.values())), OP)


@pytest.mark.parametrize(("name", "steps"), [("lenet5", 2), ("resnet20", 1)])
def test_training_steps(name: str, steps: int) -> None:
    """The second step is one with momentum; ResNet-20's batch norms over 8 images magnify what float32 rounds."""
    import torch

    from cnndsl.peers.torch_graph import TorchNetwork

    net, rng = cnndsl.load(name), np.random.default_rng(2)
    weights, loss, sgd = net.initial_weights(seed=1), parse_loss("cross_entropy(logits)"), Sgd(0.05, 0.9)
    images = rng.normal(size=(8, *net.graph.inputs["image"].shape[1:])).astype(np.float32)
    labels = rng.integers(0, 10, 8)
    theirs = TorchNetwork(net.graph, weights, Options(batch=8, training=True), channels_last=True).train(loss, sgd)
    ours = compile_step(net, weights, loss=loss, optimizer=sgd, batch=8, threads=1)
    for _ in range(steps):
        mine = ours(images, labels.astype(np.int32))
        assert theirs.step(theirs.given(images), torch.from_numpy(labels)) == pytest.approx(mine, rel=NETWORK)
    moved, found = {n: ours.weights[n] - x for n, x in weights.items()}, theirs.arrays()
    gap = max(np.abs(found[n] - weights[n] - d).max() for n, d in moved.items())
    assert gap <= GRAD32 * max(np.abs(d).max() for d in moved.values())


def test_a_loss_without_a_counterpart_is_refused() -> None:
    from cnndsl.peers.torch_graph import TorchNetwork

    net = cnndsl.load("lenet5")
    twin = TorchNetwork(net.graph, net.initial_weights(0), Options(batch=2, training=True))
    with pytest.raises(CnnError, match="E645"):
        twin.train(parse_loss("mse(output)"), Sgd(0.1))
