"""Readable, safe, unique names for kernels and buffers, made from the paths of nodes.

`stage1.unit2.main.conv_bn3.conv` becomes `stage1_unit2_main_conv_bn3_conv`. Only ASCII letters, digits and `_`
survive, so no name of a model can mean anything in emitted source.
"""

from __future__ import annotations

import builtins
import itertools
import keyword
import re
from collections import Counter
from collections.abc import Sequence

from cnndsl.graph.graph import Node

LONGEST = 60
RESERVED = frozenset({"bind", "block", "given", "prepared", "release", "results", "scratch", "self", "state"})
"""What an arena has besides buffers, which become its attributes."""


class Names:
    """Gives each wish a name nobody has yet."""

    def __init__(self, taken: frozenset[str] = frozenset()) -> None:
        self.taken = {*taken, *RESERVED}
        self.counts: dict[str, int] = {}

    def fresh(self, wish: str) -> str:
        base = re.sub(r"[^a-z0-9]+", "_", wish.lower()).strip("_")[-LONGEST:].lstrip("_0123456789") or "value"
        if keyword.iskeyword(base) or keyword.issoftkeyword(base) or hasattr(builtins, base):
            base += "_"
        name = base
        while name in self.taken:
            self.counts[base] = self.counts.get(base, 1) + 1
            name = f"{base}_{self.counts[base]}"
        self.taken.add(name)
        return name


def home_of(path: str) -> tuple[str, str]:
    """The stage and the block in it that a path leads into; empty where it is not that deep."""
    parts = path.split(".")
    return parts[0] if len(parts) > 1 else "", parts[1] if len(parts) > 2 else ""


def block_ends(nodes: Sequence[Node]) -> dict[int, str]:
    """Of nodes in the order in which they run: which of them give the result of a block of several, and what it is called.

    What is fused into a kernel may stand further out than its layer does: the sum of a residual block behind the convolution
    of its shortcut.
    """
    last: dict[str, int] = {}
    count = Counter[str]()
    for i, node in enumerate(nodes):
        for block in itertools.accumulate(node.path.split(".")[:-1], "{}.{}".format):
            last[block] = i
            count[block] += 1
    ends: dict[int, str] = {}
    for i, node in enumerate(nodes):
        block = _result(node).path.rpartition(".")[0]
        while count[block] == 1 and block.count(".") > 1:  # a block of one step within a branch ends the branch
            block = block.rpartition(".")[0]
        if last.get(block) == i and count[block] > 1:
            ends[i] = block
    return ends


def _result(node: Node) -> Node:
    """The node that gives the last result of a kernel."""
    return list(node.attrs.inner.outputs.values())[-1].node if node.op.name == "fused" else node
