"""Regions: which kernels run between one fork and one join, each worker on its share of the batch.

A kernel may be cut where its op maps images one by one (`map`, `make`) or sums over them (`sum`). A sum that is cut
gives one partial result a worker; the total exists after the join, so a kernel that reads it opens a new region.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnndsl.graph.graph import Node, Value

FORK_SECONDS = 50e-6
"""Waking and joining a second thread, with a margin: 20 to 36 µs on two cores. A region is cut where that saves twice as
much; a kernel that is not cut is shared where it takes twice as long.
"""


@dataclass(frozen=True, slots=True)
class Step:
    """A node to run: its batch rule, and what a whole run of it takes one worker (an estimate, in seconds)."""

    node: Node
    rule: str
    cut: bool
    seconds: float


def group(steps: Sequence[Step], workers: int, reads: dict[Node, set[Value]]) -> list[tuple[list[Step], int]]:
    """Consecutive steps with the number of workers they get. `reads[node]`: the kernel values it needs (through views)."""
    found: list[tuple[list[Step], int]] = []
    run: list[Step] = []
    sums: set[Value] = set()

    def close(cut: bool) -> None:
        if run:
            pays = cut and workers > 1 and sum(s.seconds for s in run) * (1 - 1 / workers) > 2 * FORK_SECONDS
            found.append((list(run), workers if pays else 1))
        run.clear()
        sums.clear()

    cutting = False
    for step in steps:
        if step.cut != cutting or sums & reads[step.node]:
            close(cutting)
            cutting = step.cut
        run.append(step)
        if step.rule == "sum":
            sums.update(step.node.outputs)
    close(cutting)
    return _merged(found)


def _merged(found: list[tuple[list[Step], int]]) -> list[tuple[list[Step], int]]:
    """Neighbouring regions of one worker are one region."""
    out: list[tuple[list[Step], int]] = []
    for steps, workers in found:
        if out and workers == 1 and out[-1][1] == 1:
            out[-1][0].extend(steps)
        else:
            out.append((steps, workers))
    return out
