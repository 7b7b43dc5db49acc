"""One node as one step: the words that make it, and their arguments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING
from functools import cache
from typing import Any

from cnndsl.errors import CnnError
from cnndsl.graph.graph import Node
from cnndsl.graph.op import REGISTRY, Op
from cnndsl.language.values import LARGEST

SIZES = ("kernel", "window", "size", "factor")
"""Options that are written 3x3; other lists are written [1, 2]."""


def words_for(node: Node) -> tuple[tuple[Op, Any], ...]:
    """Each word of the language that makes this node, with its attributes; the one a reader expects first.

    A graph holds `conv` for a depthwise convolution, `group_norm`, `crop` and `resample` for the words made of them.
    """
    found = []
    if node.op.word:
        found.append((node.op, node.attrs))
    for name, keys in _others(node):
        op = REGISTRY[name]
        try:
            attrs = op.attrs(**keys)
            assert op.becomes is not None
            same = op.becomes(attrs, node.operands[0].type) == (node.op, node.attrs)
        except CnnError:
            same = False
        if same:
            found.insert(0, (op, attrs))
    return tuple(found)


def _others(node: Node) -> Iterator[tuple[str, dict[str, Any]]]:
    """Words that might have become this node, with the options they would have had."""
    a, x = node.attrs, node.operands[0].type if node.operands else None
    if x is None:
        return
    if node.op.name == "conv" and isinstance(x.channels, int) and x.channels == a.groups and (a.groups > 1):
        keys = {k: getattr(a, k) for k in ("kernel", "stride", "pad", "dilation", "bias", "pad_mode", "flip", "init")}
        yield "depthwise_conv", {**keys, "multiplier": a.filters // a.groups}
    elif node.op.name == "conv" and x.channels == a.groups == 1:
        keys = {k: getattr(a, k) for k in ("kernel", "stride", "pad", "dilation", "bias", "pad_mode", "flip", "init")}
        yield "depthwise_conv", {**keys, "multiplier": a.filters}
    elif node.op.name == "group_norm":
        yield "instance_norm", {"eps": a.eps}
        yield "layer_norm", {"eps": a.eps}
    elif node.op.name == "crop" and a.size is None and isinstance(x.channels, int):
        yield "take", {"channels": (a.channels[0], x.channels - a.channels[1])}
    elif node.op.name == "resample" and not a.transposed:
        factor = a.factor[0] if len(set(a.factor)) == 1 else a.factor
        yield ("upsample" if a.grows else "downsample"), {"factor": factor, "method": a.method}


def step(op: Op, attrs: Any, used: set[str]) -> str:
    """`conv(64, 3x3, stride = 2)`: what has no default stands first, the rest by name where it is not the default. The
    words among the options are added to `used`. Raises ValueError for a value that the language cannot say."""
    parts = []
    for f in op.fields():
        x = getattr(attrs, f.name)
        default = f.default
        if default is not MISSING and x == default and type(x) is type(default):
            continue
        text = value(x, f.name in SIZES, used)
        parts.append(text if default is MISSING else f"{f.name} = {text}")
    return f"{op.name}({', '.join(parts)})" if parts else op.name


def value(x: Any, size: bool, used: set[str]) -> str:
    """An option as the language writes it."""
    match x:
        case bool():
            return "true" if x else "false"
        case int() if abs(x) <= LARGEST:
            return str(x)
        case float():
            return repr(x)
        case str():
            used.add(x)
            return x
        case tuple():
            if size and len(x) > 1 and all(isinstance(p, int) and p >= 0 for p in x):
                return "x".join(map(str, x))
            return f"[{', '.join(value(p, False, used) for p in x)}]"
    raise ValueError(f"{x!r}")


def is_light(node: Node) -> bool:
    """Whether papers write it behind the step before: norms, activations, what acts by chance."""
    if node.op.inputs != 1 or node.op.window is not None or node.op.name == "dense":
        return False
    return node.outputs[0].type == node.operands[0].type


@cache
def option_words(count: int) -> frozenset[str]:
    """Every word that an option may take, of a registry of `count` ops: a value of that name would hide it."""
    return frozenset(w for op in REGISTRY.values() if op.word for few in op.words.values() for w in few)
