"""Our ops as PyTorch's functions: `FUNCTIONS[op](node, attributes) → f(*tensors)`. Values are channels first.

Attributes have been through `resolve`. Raises E645 for what PyTorch has no function of its own for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812  (its name everywhere)

from cnndsl.errors import CnnError, error
from cnndsl.graph.graph import Node

Function = Callable[..., Any]


def no_counterpart(node: Node, what: str = "") -> CnnError:
    return error("E645", f"PyTorch has no {what or node.op.name} to compare with", node.origin.span, frames=node.origin.frames)


def sides(pad: Sequence[tuple[int, int]]) -> list[int]:
    """Our (begin, end) an axis as F.pad takes them: the last axis first."""
    return [n for pair in reversed(pad) for n in pair]


def uneven(pad: Sequence[tuple[int, int]]) -> bool:
    return any(b != e for b, e in pad)


def pad(node: Node, a: Any) -> Function:
    widths = sides([tuple(a.channels), *a.amount])
    mode = {"zero": "constant", "reflect": "reflect", "edge": "replicate"}[a.mode]
    if mode == "constant":
        return lambda x: F.pad(x, widths)
    if any(a.channels):
        raise no_counterpart(node, "padding of space by its edge and of channels by zeros")
    return lambda x: F.pad(x, widths[:-2], mode)


def conv(node: Node, a: Any) -> Function:
    f = getattr(F, f"conv{len(a.kernel)}d")
    keys = {"stride": a.stride, "dilation": a.dilation, "groups": a.groups}
    if a.pad_mode == "zero" and not uneven(a.pad):
        even = [b for b, _ in a.pad]
        return lambda x, w, b=None: f(x, w, b, padding=even, **keys)
    mode = {"zero": "constant", "reflect": "reflect", "edge": "replicate"}[a.pad_mode]
    return lambda x, w, b=None: f(F.pad(x, sides(a.pad), mode), w, b, **keys)


def conv_transpose(node: Node, a: Any) -> Function:
    """Padding that is not the same on both sides is cut off afterwards."""
    f = getattr(F, f"conv_transpose{len(a.kernel)}d")
    keys = {"stride": a.stride, "dilation": a.dilation, "groups": a.groups, "output_padding": a.output_pad}
    if not uneven(a.pad):
        even = [b for b, _ in a.pad]
        return lambda x, w, b=None: f(x, w, b, padding=even, **keys)
    cut = [-n for n in sides(a.pad)]
    return lambda x, w, b=None: F.pad(f(x, w, b, **keys), cut)


def pool(node: Node, a: Any) -> Function:
    name, up = node.op.name, a.round == "ceil"
    f = getattr(F, f"{name}{len(a.window)}d")
    keys = {"ceil_mode": up, **({"dilation": a.dilation} if name == "max_pool" else {"count_include_pad": a.count_padding})}
    if not uneven(a.pad) and all(2 * b <= k for (b, _), k in zip(a.pad, a.window, strict=True)):
        even = [b for b, _ in a.pad]
        return lambda x: f(x, a.window, a.stride, even, **keys)
    if up or (name == "avg_pool" and not a.count_padding):
        raise no_counterpart(node, f"{name} with such padding")
    value = -torch.inf if name == "max_pool" else 0.0
    return lambda x: f(F.pad(x, sides(a.pad), value=value), a.window, a.stride, 0, **keys)


def global_avg_pool(node: Node, a: Any) -> Function:
    f = getattr(F, f"adaptive_avg_pool{node.operands[0].type.rank - 2}d")
    return lambda x: f(x, 1).flatten(1)


def concat(node: Node, a: Any) -> Function:
    if a.fit == "exact":
        return lambda *xs: torch.cat(xs, 1)
    space = node.outputs[0].type.space
    cuts = [
        (..., *(slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(x.type.space, space, strict=True))) for x in node.operands
    ]
    return lambda *xs: torch.cat([x[cut] for x, cut in zip(xs, cuts, strict=True)], 1)


def crop(node: Node, a: Any) -> Function:
    sizes = node.operands[0].type.shape
    (before, after), space = a.channels, zip(sizes[1:-1], a.amount, strict=True)
    cut = (slice(None), slice(before, sizes[-1] - after), *(slice(b, n - e) for n, (b, e) in space))
    return lambda x: x[cut]


def spatial(make: Callable[[Any], Function]) -> Callable[[Node, Any], Function]:
    """What PyTorch has for values with space only."""

    def found(node: Node, a: Any) -> Function:
        if node.operands[0].type.rank < 3:
            raise no_counterpart(node, f"{node.op.name} of a value without space")
        return make(a)

    return found


def resample(node: Node, a: Any) -> Function:
    rank, factor = len(a.factor), [float(f) for f in a.factor]
    if a.method == "average":
        f = getattr(F, f"avg_pool{rank}d")
        return lambda x: f(x, a.factor)
    if a.method == "nearest":
        return lambda x: F.interpolate(x, scale_factor=factor)
    if a.method != "bilinear":
        raise no_counterpart(node, f"resampling by {a.method}")
    mode = ("linear", "bilinear", "trilinear")[rank - 1]
    return lambda x: F.interpolate(x, scale_factor=factor, mode=mode, align_corners=False)


def reshape(node: Node, a: Any) -> Function:
    """Our order is row-major with channels last, so they go to the end and come back."""
    size = node.outputs[0].type.shape[1:]
    return lambda x: x.movedim(1, -1).reshape(x.shape[0], *size).movedim(-1, 1)


def plain(f: Function) -> Callable[[Node, Any], Function]:
    return lambda node, a: f


ACTIVATIONS: dict[str, Callable[[Node, Any], Function]] = {
    "identity": plain(lambda x: x),
    "relu": plain(torch.relu),
    "relu6": plain(F.relu6),
    "leaky_relu": lambda node, a: lambda x: F.leaky_relu(x, a.slope),
    "elu": lambda node, a: lambda x: F.elu(x, a.alpha),
    "gelu": lambda node, a: lambda x: F.gelu(x, approximate=a.approximate),
    "silu": plain(F.silu),
    "hard_swish": plain(F.hardswish),
    "hard_sigmoid": plain(F.hardsigmoid),
    "sigmoid": plain(torch.sigmoid),
    "tanh": plain(torch.tanh),
    "softplus": plain(F.softplus),
    "scale": lambda node, a: lambda x: x * a.factor,
    "dropout": lambda node, a: lambda x: F.dropout(x, a.rate),  # in training; otherwise a pass has removed it
}
"""Number by number: they keep whatever order the numbers have."""

IN_PLACE: dict[str, Function] = {
    "relu": torch.relu_,
    "relu6": lambda x: F.relu6(x, inplace=True),
    "add": lambda x, *rest: reduce(lambda p, q: p.add_(q), rest, x),
}

FUNCTIONS: dict[str, Callable[[Node, Any], Function]] = {
    **ACTIVATIONS,
    "conv": conv,
    "conv_transpose": conv_transpose,
    "dense": plain(F.linear),
    "max_pool": pool,
    "avg_pool": pool,
    "global_avg_pool": global_avg_pool,
    "global_max_pool": plain(lambda x: x.flatten(2).amax(2)),
    "group_norm": lambda node, a: lambda x, gamma, beta: F.group_norm(x, a.groups, gamma, beta, a.eps),
    "lrn": spatial(lambda a: lambda x: F.local_response_norm(x, a.size, a.alpha * a.size, a.beta, a.k)),
    "prelu": plain(F.prelu),
    "softmax": plain(lambda x: torch.softmax(x, 1)),
    "log_softmax": plain(lambda x: torch.log_softmax(x, 1)),
    "spatial_dropout": lambda node, a: lambda x: F.dropout2d(x, a.rate),
    "add": plain(lambda *xs: reduce(torch.add, xs)),
    "subtract": plain(torch.sub),
    "multiply": plain(lambda *xs: reduce(torch.mul, xs)),
    "maximum": plain(lambda *xs: reduce(torch.maximum, xs)),
    "concat": concat,
    "pad": pad,
    "crop": crop,
    "resample": resample,
    "reshape": reshape,
    "spread": lambda node, a: lambda x: x.reshape(*x.shape, *(1,) * (a.rank - 2)),
    "channel_shuffle": spatial(lambda a: lambda x: F.channel_shuffle(x, a.groups)),
}
"""`batch_norm`, `flatten` and the weights' orders stand in `torch_graph`, which knows what is around a node."""
