"""The same network in the other programs that are installed here, made ready to be timed beside ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from cnndsl.errors import CnnError

if TYPE_CHECKING:
    from cnndsl.graph.graph import Graph
    from cnndsl.passes.context import Options


@dataclass(frozen=True, slots=True)
class Peer:
    """One program on the network. difference: max |theirs − ours| / max |ours| over the results (in training, the loss)."""

    name: str
    version: str
    run: Callable[[], Any]
    difference: float


@dataclass(frozen=True, slots=True)
class Beside:
    """Those that are here; and why the others are not, by name."""

    peers: tuple[Peer, ...]
    absent: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Task:
    """What all of them do. images: the inputs in order. results: what ours gave. The rest belongs to a training step."""

    graph: Graph
    weights: Mapping[str, Any]
    options: Options
    images: Sequence[Any]
    results: Sequence[Any]
    labels: Any = None
    loss: Any = None
    optimizer: Any = None


LAYOUTS = {"PyTorch, NCHW": False, "PyTorch, channels_last": True}


def beside(task: Task) -> Beside:
    """PyTorch in both its layouts and, where it is inference, ONNX Runtime, on as many threads as `options.workers` says."""
    found: list[Peer] = []
    absent: dict[str, str] = {}
    for name, packages, make in (
        ("PyTorch", ("torch",), _torch),
        ("ONNX Runtime", ("onnxruntime", "onnx"), _onnx),
    ):
        missing = [x for x in packages if find_spec(x) is None]
        if missing:
            absent[name] = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed"
        elif name == "ONNX Runtime" and task.options.training:
            absent[name] = "it does not train"
        else:
            try:
                found += make(task)
            except CnnError as e:
                absent[name] = e.diagnostics[0].message
    return Beside(tuple(found), absent)


def _torch(task: Task) -> list[Peer]:
    import torch

    from cnndsl.peers.torch_graph import TorchNetwork

    torch.set_num_threads(task.options.workers)
    found = []
    for name, last in LAYOUTS.items():
        net = TorchNetwork(task.graph, task.weights, task.options, channels_last=last)
        tensors = net.given(*task.images)
        if task.options.training:
            net.train(task.loss, task.optimizer)
            labels = torch.from_numpy(np.asarray(task.labels, np.int64))
            gap = difference([net.step(tensors, labels)], task.results)
            found.append(Peer(name, torch.__version__, lambda net=net, x=tensors, y=labels: net.step(x, y), gap))  # type: ignore[misc]
        else:
            gap = difference(net.outputs(tensors), task.results)
            found.append(Peer(name, torch.__version__, lambda net=net, x=tensors: net.infer(x), gap))  # type: ignore[misc]
    return found


def _onnx(task: Task) -> list[Peer]:
    from cnndsl.peers.onnx_runtime import OnnxNetwork

    a = task.options
    net = OnnxNetwork(task.graph, task.weights, batch=a.batch, threads=a.workers, sizes=a.sizes)
    gap = difference(net.outputs(*task.images), task.results)
    return [Peer("ONNX Runtime", version("onnxruntime"), lambda: net.outputs(*task.images), gap)]


def difference(theirs: Sequence[Any], ours: Sequence[Any]) -> float:
    """max |a − b| / max |b| over all results together; infinite where one is not a finite number."""
    gaps = [float(np.max(np.abs(np.asarray(a, np.float64) - b), initial=0.0)) for a, b in zip(theirs, ours, strict=True)]
    if not np.isfinite(gaps).all():
        return float("inf")
    return max(gaps) / (max(float(np.max(np.abs(b), initial=0.0)) for b in ours) or 1.0)
