"""What the passes and the planner ask of a target. Defined here, below both, so that they never import one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from cnndsl.graph.graph import Node

if TYPE_CHECKING:
    from cnndsl.program.program import Program


@dataclass(frozen=True, slots=True)
class Choice:
    """How a target runs one node: the algorithm, its parameters (opaque outside the target), and what it costs.

    scratch: bytes a worker needs beside the arena. seconds: an estimate for one worker over the whole batch.
    fallback: the op has no kernel here and runs through its reference.
    """

    algorithm: str
    parameters: tuple[tuple[str, Any], ...] = ()
    scratch: int = 0
    seconds: float = 0.0
    fallback: bool = False


class Target(Protocol):
    """One way to run programs. A target is a folder `cnndsl/targets/<name>/`.

    It may also have `writes_strided(node, choice) -> bool`: whether the node's kernel can write an array with gaps, a
    branch of a concat among the others; without it, concats copy. `reads_strided(node, choice) -> bool`: whether it can
    read such an array; without it, parts are copied out. `adds_in_place(node, choice) -> bool`: whether what is fused
    behind an anchor may be written over an operand that the anchor itself does not read. And
    `winograd(node, workers, training) -> int`: the size 2 or 4 of the tiles by which a convolution of stride 1, or its
    input gradient, is cheaper than by its own kernel, or 0. `pads_with_zeros: bool`: whether its convolutions pad with zeros
    alone; padding by reflection or edges is then made a value of its own.
    """

    name: str

    def refuses_fusion(self, anchor: Node | None, inner: Node, place: str) -> str | None:
        """Why `inner` (pointwise) may not be fused at `place` (`prologue` | `epilogue` | `chain`); None: it may."""

    def choose(self, node: Node, workers: int) -> Choice:
        """The algorithm for a node of the final graph, on integer sizes."""

    def emit(self, program: Program) -> str:
        """The program as source text: one readable module that needs nothing of cnndsl."""
