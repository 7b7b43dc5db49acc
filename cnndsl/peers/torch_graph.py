"""A network's graph on PyTorch, op by op: what ours is measured against, on equal weights.

`channels_last` is PyTorch's memory format of that name. Weights are put in PyTorch's order once, also those of a dense
layer behind `flatten`, so that no run pays for our order. In place is what torchvision's models do in place: the ReLU
behind a convolution or norm, and the sum that ends a residual block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812  (its name everywhere)

from cnndsl.errors import error
from cnndsl.graph.graph import CONSTANT, INPUT, STATE, Graph, Node, Value
from cnndsl.language.recipe import Adam, AdamW, LossTerm, RmsProp
from cnndsl.passes.context import Context, Log, Options
from cnndsl.passes.inference import inference
from cnndsl.passes.specialise import specialise
from cnndsl.peers.torch_ops import ACTIVATIONS, FUNCTIONS, IN_PLACE, no_counterpart

FRESH = ("conv", "conv_transpose", "dense", "batch_norm", "add")  # whose results no gradient needs: may be written over
Arrange = Callable[[Any], Any]


class TorchNetwork:
    """`graph` for `options` (batch, sizes, outputs; training: batch statistics, dropout), with `weights`: name → array.

    Raises E645 for an op or a loss that PyTorch has no function of its own for.
    """

    def __init__(self, graph: Graph, weights: Mapping[str, Any], options: Options, *, channels_last: bool = False) -> None:
        ctx = Context(None, options, Log())
        self.graph = specialise(graph, ctx)
        if not options.training:
            self.graph = inference(self.graph, ctx)
        self.training = options.training
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        self.users: dict[Value, list[Node]] = {}
        for node in self.graph.nodes:
            for x in node.operands:
                self.users.setdefault(x, []).append(node)
        self.results = tuple(self.graph.outputs.values())
        self.orders = self._orders()
        self.weights = {name: self._tensor(name, array) for name, array in weights.items() if name in self.graph.state}
        self.optimizer: Any = None
        self.loss: tuple[Value, dict[str, float]] | None = None
        self.code = self._code(self.results)

    # Weights ---------------------------------------------------------------------------------------------------------

    def _orders(self) -> dict[str, tuple[Arrange, Arrange]]:
        """name → (our array as PyTorch has it, and back), for the weights whose order differs."""
        found: dict[str, tuple[Arrange, Arrange]] = {}
        for node in self.graph.nodes:
            if node.op.name not in ("conv", "conv_transpose", "dense"):
                continue
            name, rank = node.operands[1].node.attrs.name, node.operands[1].type.rank
            if node.op.name == "dense":
                image = self._flattened(node.operands[0])
                found[name] = partial(_first, image=image), partial(_last, image=image)
                continue
            there, back = (rank - 1, rank - 2, *range(rank - 2)), (*range(2, rank), 1, 0)
            turned = (slice(None, None, -1 if node.attrs.flip else None),) * (rank - 2)
            found[name] = partial(_there, axes=there, turned=turned), partial(_back, axes=back, turned=turned)
        return found

    def _flattened(self, x: Value) -> tuple[int, ...]:
        """The image (*space, C) that `x` is made of by `flatten` and what keeps the order; (C,) where there is none."""
        while x.node.op.name in ACTIVATIONS:
            x = x.node.operands[0]
        sizes = x.node.operands[0].type.sizes[1:] if x.node.op.name == "flatten" else x.type.sizes[-1:]
        return sizes if x.node.op.name == "flatten" and self._read_by_dense(x) else (x.type.sizes[-1],)

    def _read_by_dense(self, x: Value) -> bool:
        """Whether dense layers alone read the numbers of `x`, so that their order is free."""
        pending = [x]
        while pending:
            value = pending.pop()
            if value in self.results or value in self.graph.names.values():
                return False
            for node in self.users.get(value, []):
                if node.op.name in ACTIVATIONS:
                    pending.append(node.outputs[0])
                elif node.op.name != "dense":
                    return False
        return True

    def _tensor(self, name: str, array: Any) -> Any:
        array = np.array(array, np.float32)
        if name in self.orders:
            array = np.ascontiguousarray(self.orders[name][0](array))
        tensor = torch.from_numpy(array)
        if tensor.ndim == 4:
            tensor = tensor.contiguous(memory_format=self.format)
        return tensor.requires_grad_(self.training and self.graph.state[name].kind == "parameter")

    def arrays(self) -> dict[str, Any]:
        """The weights as they are now, in our order: name → array."""
        found = {name: x.detach().numpy() for name, x in self.weights.items()}
        return {name: self.orders[name][1](x) if name in self.orders else x for name, x in found.items()}

    # Running ---------------------------------------------------------------------------------------------------------

    def _code(self, results: Sequence[Value]) -> list[tuple[Callable[..., Any], tuple[int, ...], int, tuple[int, ...]]]:
        """(function, numbers of operands, number of the result, numbers that nothing reads afterwards) a node needed."""
        needed: set[Node] = set()
        pending = [v.node for v in results]
        while pending:
            node = pending.pop()
            if node not in needed:
                needed.add(node)
                pending += [x.node for x in node.operands]
        nodes = [n for n in self.graph.nodes if n in needed and n.op not in (INPUT, STATE)]
        last = {x: node for node in nodes for x in node.operands}
        code = []
        for node in nodes:
            dead = tuple(x.node.id for x in dict.fromkeys(node.operands) if last[x] is node and x not in results)
            dead = tuple(i for i in dead if self.graph.nodes[i].op not in (INPUT, STATE, CONSTANT))
            code.append((self._function(node), tuple(x.node.id for x in node.operands), node.id, dead))
        return code

    def _function(self, node: Node) -> Callable[..., Any]:
        name, a = node.op.name, node.attrs
        if node.op is CONSTANT:
            constant = torch.from_numpy(np.array(node.op.reference(np, a)[0]))
            return lambda: constant
        if name == "batch_norm":
            return lambda x, gamma, beta, mean, variance: F.batch_norm(
                x, mean, variance, gamma, beta, self.training, 1 - a.momentum, a.eps
            )
        if name == "flatten":
            ours = not self._read_by_dense(node.outputs[0])
            return (lambda x: x.movedim(1, -1).flatten(1)) if ours else (lambda x: x.flatten(1))
        if name in IN_PLACE and self._is_free(node):
            return IN_PLACE[name]
        if name not in FUNCTIONS:
            raise no_counterpart(node)
        return FUNCTIONS[name](node, a)

    def _is_free(self, node: Node) -> bool:
        """Whether the first operand may be written over: nothing else reads it, and no gradient needs it."""
        x = node.operands[0]
        same = all(y.type == x.type for y in node.operands)
        return same and x.node.op.name in FRESH and len(self.users[x]) == 1 and x not in self.results

    def given(self, *images: Any) -> tuple[Any, ...]:
        """Arrays (batch, *space, C) as tensors in PyTorch's order and this network's memory format."""
        found = []
        for array in images:
            x = torch.tensor(np.asarray(array)).movedim(-1, 1)
            found.append(x.contiguous(memory_format=self.format) if x.ndim == 4 else x.contiguous())
        return tuple(found)

    def run(self, tensors: Sequence[Any]) -> list[Any]:
        """The results for tensors of `given`, in the order of the graph's outputs (in training: the value of the loss)."""
        values: dict[int, Any] = {x.node.id: t for x, t in zip(self.graph.inputs.values(), tensors, strict=True)}
        values |= {x.node.id: self.weights[name] for name, x in self.graph.state_values.items() if name in self.weights}
        for function, operands, result, dead in self.code:
            values[result] = function(*[values[i] for i in operands])
            for i in dead:
                del values[i]
        return [values[x.node.id] for x in self.results]

    def infer(self, tensors: Sequence[Any]) -> list[Any]:
        with torch.inference_mode():
            return self.run(tensors)

    def outputs(self, tensors: Sequence[Any]) -> list[Any]:
        """The results as arrays in our order."""
        return [x.movedim(1, -1).numpy() for x in self.infer(tensors)]

    # Training --------------------------------------------------------------------------------------------------------

    def train(self, loss: Sequence[LossTerm], optimizer: Any) -> TorchNetwork:
        """Make ready for `step`: one cross entropy of a named value, and PyTorch's own SGD. Raises E645 for other losses."""
        term = loss[0].call if len(loss) == 1 and loss[0].weight == 1 else None
        if term is None or term.name != "cross_entropy" or len(term.args) != 1:
            raise error("E645", "the loss is not one cross entropy: there is no step in PyTorch to compare with")
        self.results = ((self.graph.names | self.graph.outputs)[term.args[0]],)
        self.loss = self.results[0], {k: float(v) for k, v in term.keys.items()}
        self.code = self._code(self.results)
        a, mine = optimizer, [x for x in self.weights.values() if x.requires_grad]
        self.optimizer = torch_optimizer(torch, mine, a)
        return self

    def step(self, tensors: Sequence[Any], labels: Any) -> float:
        """One update on labels (batch,) int64; the loss before it."""
        assert self.loss is not None
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.run(tensors)[0], labels, **self.loss[1])
        loss.backward()
        self.optimizer.step()
        return loss.item()


def _there(w: Any, axes: tuple[int, ...], turned: tuple[slice, ...]) -> Any:
    return w[turned].transpose(axes)


def _back(w: Any, axes: tuple[int, ...], turned: tuple[slice, ...]) -> Any:
    return w.transpose(axes)[turned]


def _first(w: Any, image: tuple[int, ...]) -> Any:
    """A dense weight (rows of *space, C; units) as PyTorch's (units, C of *space)."""
    return np.moveaxis(w.reshape(*image, w.shape[-1]), len(image) - 1, 0).reshape(w.shape).T


def _last(w: Any, image: tuple[int, ...]) -> Any:
    space, channels = image[:-1], image[-1]
    return np.moveaxis(w.T.reshape(channels, *space, w.shape[0]), 0, len(space)).reshape(w.shape[::-1])


def torch_optimizer(torch: Any, parameters: Any, a: Any) -> Any:
    """PyTorch's optimizer of that name: the same work, and but for rmsprop's eps and rate's place the same numbers."""
    decay = a.weight_decay
    if isinstance(a, Adam):
        kind = torch.optim.AdamW if isinstance(a, AdamW) else torch.optim.Adam
        return kind(parameters, a.rate, (a.beta1, a.beta2), a.eps, weight_decay=decay)
    if isinstance(a, RmsProp):
        return torch.optim.RMSprop(parameters, a.rate, a.decay, a.eps, momentum=a.momentum, weight_decay=decay)
    return torch.optim.SGD(parameters, a.rate, a.momentum, weight_decay=decay, nesterov=a.nesterov)
