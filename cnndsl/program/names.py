"""Readable, safe, unique names for kernels and buffers, made from the paths of nodes.

`stage1.unit2.main.conv_bn3.conv` becomes `stage1_unit2_main_conv_bn3_conv`. Only ASCII letters, digits and `_`
survive, so no name of a model can mean anything in emitted source.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections import Counter
from collections.abc import Sequence

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


def block_ends(paths: Sequence[str]) -> dict[int, str]:
    """Of nodes in the order in which they run: which of them end a block of several, and what that is called."""
    homes = [home_of(path) for path in paths]
    last, count = {home: i for i, home in enumerate(homes)}, Counter(homes)
    return {i: ".".join(filter(None, home)) for home, i in last.items() if home[0] and count[home] > 1}
