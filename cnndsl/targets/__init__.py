"""Targets: ways to run a program. One folder each; none of them is imported before it is asked for."""

from __future__ import annotations

from cnndsl.errors import error, in_words
from cnndsl.graph.target import Target

NAMES = ("numpy", "cupy")


def target_named(name: str) -> Target:
    """The target of that name. Raises E607 where there is none."""
    if name == "numpy":
        from cnndsl.targets import numpy

        return numpy.TARGET
    if name == "cupy":
        from cnndsl.targets import cupy

        return cupy.TARGET
    raise error("E607", f"there is no target named {in_words(name)}", help=f"targets: {', '.join(NAMES)}, reference")
