"""What a node is called in tables and pictures: options that matter, padding and rounding as they came out, families."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import groupby
from typing import Any

from cnndsl.errors import CnnError
from cnndsl.graph.graph import SOURCES, STATE, Graph, Node
from cnndsl.graph.sizes import Size
from cnndsl.graph.types import BATCH

ONE_IMAGE = {str(BATCH): 1}

FAMILIES: dict[str, tuple[str, ...]] = {
    "conv": ("conv", "depthwise_conv", "conv_transpose"),
    "dense": ("dense",),
    "pool": ("max_pool", "avg_pool", "global_avg_pool", "global_max_pool", "upsample", "downsample", "resample"),
    "norm": ("batch_norm", "layer_norm", "instance_norm", "group_norm", "lrn", "scale"),
    "act": (
        "relu", "leaky_relu", "prelu", "relu6", "elu", "gelu", "silu", "hard_swish", "sigmoid", "hard_sigmoid", "tanh",
        "softplus", "softmax", "log_softmax",
    ),
    "join": ("add", "subtract", "multiply", "maximum", "concat"),
    "noise": ("dropout", "spatial_dropout", "stochastic_depth", "noise"),
}  # fmt: skip
FAMILY = {op: family for family, ops in FAMILIES.items() for op in ops}
"""The family of an op; `shape` for every other one."""

LIGHT = frozenset((*FAMILIES["norm"], *FAMILIES["act"], *FAMILIES["noise"]))
"""Ops that papers draw as an appendix of the step before."""


_WORD = re.compile(r"(?:^|, )\w+ = (\w+)(?:\([^()]*\))?(?=,|$)")
_KERNEL = re.compile(r"(?<=kernel) = \[([\d, ]+)\]")


@dataclass(frozen=True, slots=True)
class Padding:
    """What a window's padding came to. pads: (begin, end) an axis. source: the word it came from (`same`), or empty.

    rounding: rows that the last window reads beyond all padding (ceil: above 0), or that no window reads (below 0), per axis.
    """

    pads: tuple[tuple[Size, Size], ...]
    source: str = ""
    rounding: tuple[int, ...] = ()

    def __str__(self) -> str:
        parts = []
        if any(b or e for b, e in self.pads) or self.source:
            parts.append("pad " + same(tuple(f"{b}·{e}" for b, e in self.pads), ", "))
            if self.source:
                parts.append(f"from {self.source}")
        if any(r > 0 for r in self.rounding):
            parts.append("ceil " + same(tuple(f"+{r}" for r in self.rounding), ", "))
        if any(r < 0 for r in self.rounding):
            parts.append("unread " + same(tuple(str(max(-r, 0)) for r in self.rounding), ", "))
        return " ".join(parts)


def word(node: Node) -> str:
    """The op as a reader names it: a graph holds `resample` where the text said `upsample`, and `conv` for a depthwise one."""
    name, a = node.op.name, node.attrs
    if name == "fused":
        return " + ".join(w for w, _ in groupby(word(n) for n in a.inner.nodes if n.op not in SOURCES and not n.op.view))
    if name == "resample":
        return "upsample" if a.grows else "downsample"
    if name == "conv" and a.groups > 1 and a.groups == node.operands[0].type.channels:
        return "depthwise_conv"
    if name == "group_norm" and a.groups == 1:
        return "layer_norm"
    if name == "group_norm" and a.groups == node.operands[0].type.channels:
        return "instance_norm"
    return name


def resolved(node: Node) -> Any:
    """The node's options with everything that depends on sizes made explicit, as far as sizes are known."""
    try:
        return node.op.resolved(node.attrs, *(x.type.bind(ONE_IMAGE) for x in node.operands))
    except CnnError:
        return node.attrs


def padding(node: Node) -> Padding | None:
    """What the padding of a window came to; None where there is no window, or a size is open."""
    a = resolved(node)
    pads = getattr(a, "pad", None)
    if node.op.window is None or not isinstance(pads, tuple) or not all(isinstance(p, tuple) for p in pads):
        return None
    asked = getattr(node.attrs, "pad", "")
    source = asked if isinstance(asked, str) and asked != "valid" else ""
    try:
        reach, stride = node.op.window(a)
        space, out = node.operands[0].type.space, node.outputs[0].type.space
        left = tuple((o - 1) * s + r - n - b - e for o, s, r, n, (b, e) in zip(out, stride, reach, space, pads, strict=True))
    except (CnnError, ValueError, TypeError):
        left = ()
    return Padding(pads, source, tuple(x for x in left if isinstance(x, int)) if all(isinstance(x, int) for x in left) else ())


def kernel(node: Node) -> tuple[int, ...]:
    """The sizes of its window; empty where it has none."""
    found = getattr(node.attrs, "kernel", None) or getattr(node.attrs, "window", None)
    return tuple(found) if isinstance(found, (tuple, list)) else ()


def strides(node: Node) -> tuple[int, ...]:
    """Its stride along each axis; empty where it has no window."""
    if node.op.window is None:
        return ()
    try:
        return tuple(node.op.window(resolved(node))[1])
    except CnnError:
        return ()


def options(node: Node) -> str:
    """The options that matter: `64 7x7 stride 2`, `rate 0.5`. Padding stands apart."""
    a = node.attrs
    parts = [str(x) for x in (getattr(a, "filters", None), getattr(a, "units", None)) if x is not None]
    if kernel(node):
        parts.append(drawn_sizes(kernel(node)))
    if any(s != 1 for s in strides(node)):
        parts.append(f"stride {same(strides(node))}")
    given = _given(type(a), node)
    return " ".join(parts + given)


def _given(kind: type, node: Node) -> list[str]:
    """Every other option that is not its default."""
    found = []
    for name, default in _defaults(kind):
        x = getattr(node.attrs, name)
        if x == default or name in ("filters", "units", "kernel", "window", "stride", "pad", "round", "momentum", "eps"):
            continue
        if x is False:
            found.append(f"no {name}")
        elif x is True:
            found.append(name)
        elif isinstance(x, (int, float, str)):
            found.append(f"{name} {x:g}" if isinstance(x, float) else f"{name} {x}")
        elif isinstance(x, tuple) and all(isinstance(p, (int, float)) for p in x) and len(x) <= 4:
            found.append(f"{name} {drawn_sizes(x)}")
    return found


@lru_cache(maxsize=256)
def _defaults(kind: type) -> tuple[tuple[str, Any], ...]:
    try:
        return tuple((f.name, f.default) for f in fields(kind))
    except TypeError:
        return ()


def tidy(arguments: str, times: str = "×") -> str:
    """A block's arguments for a title: `kernel=3×3, stride=2` from `kernel = [3, 3], stride = 2`."""
    return _KERNEL.sub(lambda m: "=" + times.join(m[1].split(", ")), arguments).replace(" = ", "=")


def without_ops(arguments: str) -> str:
    """A block's arguments without ops, such as `norm = batch_norm`: these are seen within the block."""
    return _WORD.sub(lambda m: "" if m[1] in FAMILY or m[1] == "identity" else m[0], arguments).removeprefix(", ")


def drawn_sizes(sizes: tuple[object, ...], times: str = "x") -> str:
    """`3x3`; `k7` for one number, which would read as a count."""
    return times.join(map(str, sizes)) if len(sizes) != 1 else f"k{sizes[0]}"


def same(sizes: tuple[object, ...], between: str = "x") -> str:
    """`2` where all axes agree, else `2x1`."""
    return str(sizes[0]) if len(set(sizes)) == 1 else between.join(map(str, sizes))


def first_parameters(graph: Graph) -> dict[Node, int]:
    """For each node, the trained numbers that it is the first to use; nodes without any are left out."""
    counted: set[str] = set()
    found: dict[Node, int] = {}
    for node in graph.nodes:
        for x in node.operands:
            if x.node.op is not STATE:
                continue
            state = graph.state.get(x.node.attrs.name)
            if state is not None and state.kind == "parameter" and state.name not in counted:
                counted.add(state.name)
                found[node] = found.get(node, 0) + state.type.elements
    return found


def multiply_adds(node: Node) -> int | None:
    """Of one image, as papers count; None where a size is open."""
    if node.op.work is None:
        return 0
    try:
        return int(node.op.work(node.attrs, *(x.type.bind(ONE_IMAGE) for x in node.operands)).multiply_adds)
    except (CnnError, TypeError):
        return None


def activation_bytes(node: Node) -> int | None:
    """Of one image; nothing for what is a view of its operand; None where a size is open."""
    if node.op.view:
        return 0
    try:
        return sum(y.type.bind(ONE_IMAGE).nbytes for y in node.outputs)
    except CnnError:
        return None
