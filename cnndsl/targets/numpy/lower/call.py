"""What a lowering is, and the call of a kernel that it prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnndsl.graph.graph import Node
from cnndsl.graph.target import Choice
from cnndsl.targets.numpy.tuning import Candidates


class Text(str):
    """Text that is code, made by the emitter. Any other text is somebody's data: `keys` prints it as a string literal."""


@dataclass(frozen=True)
class Call:
    """One kernel to print: operand and result texts, the choice's numbers, and text for scratch, finish and share.

    product: where the kernel's own result lies if not in ys[0], which is then what `finish` adds it to.
    """

    node: Node
    attrs: Any
    xs: Sequence[str]
    ys: Sequence[str]
    numbers: Mapping[str, Any]
    scratch: Text = Text("scratch")
    finish: Text = Text("")
    share: str = ""
    lo: str = ""
    algorithm: str = ""
    product: Text = Text("")


@dataclass(frozen=True)
class Lowering:
    """finishes: whether an epilogue runs block by block inside. shares: whether workers can share one call.

    candidates: the ways among which measured times decide (`cnndsl.targets.numpy.tuning`), by label.
    """

    choose: Callable[[Node, int], Choice | None]
    lines: Callable[[Call], list[str]]
    kernels: Callable[[Call], tuple[Callable[..., Any], ...]]
    finishes: bool = False
    shares: bool = False
    candidates: Candidates | None = None


def plain(function: Callable[..., Any], lines: Callable[[Call], list[str]], choose: Any = None, **flags: Any) -> Lowering:
    return Lowering(choose or (lambda node, workers: Choice(node.op.name)), lines, lambda call: (function,), **flags)


def keys(**given: Any) -> str:
    """`, stride=(1, 1), …` without what is None or empty text. Values are printed by `repr`, but for a `Text`."""
    return "".join(f", {k}={v if isinstance(v, Text) else repr(v)}" for k, v in given.items() if v is not None and v != "")
