"""Running statistics that a training is too short for: what `eval` and `run` would then use is mostly what they began with."""

from __future__ import annotations

import math

from cnndsl.errors import Diagnostic, counted
from cnndsl.graph.graph import Graph

TIMES = 3
"""Steps that statistics need, in 1 / (1 - momentum): of what they began with 5 % is left."""
QUICKER = (0.98, 0.95, 0.9, 0.8)
"""Momenta that a help may name, and 0.5 below."""


def unsettled(graph: Graph, steps: int) -> Diagnostic | None:
    """W412 where a batch norm's momentum is too near to 1 for so many steps; at the one whose momentum is the largest."""
    norms = [node for node in graph.nodes if node.op.name == "batch_norm"]
    node = max(norms, key=lambda node: float(node.attrs.momentum), default=None)
    if node is None or steps >= _needed(node.attrs.momentum):
        return None
    m = node.attrs.momentum
    enough = next((x for x in QUICKER if x < m and _needed(x) <= steps), 0.5)
    message = (
        f"statistics with momentum = {m:g} settle in some {counted(_needed(m), 'step')}, and this training makes {steps:,}: "
        f"{m**steps:.0%} of what eval and run use is what they began with"
    )
    help = "more epochs"
    if m > enough:
        help += f"; or, for every batch_norm of the file, defaults {{ batch_norm(momentum = {enough:g}) }}"
    return Diagnostic("W412", message, node.origin.span, frames=node.origin.frames, help=help)


def _needed(momentum: float) -> int:
    return math.ceil(round(TIMES / (1 - momentum), 6))
