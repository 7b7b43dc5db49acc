"""What the passes and the planner ask of a target. Defined here, below both, so that they never import one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnndsl.errors import error
from cnndsl.graph.graph import Node, Value

if TYPE_CHECKING:
    from cnndsl.program.program import Program


@dataclass(frozen=True, slots=True)
class Choice:
    """How a target runs one node: the algorithm, its parameters (opaque outside the target), and what it costs.

    scratch: bytes a worker needs beside the arena, without those of what is fused behind. seconds: an estimate for one worker
    over the whole batch.
    fallback: the op has no kernel here and runs through its reference.
    """

    algorithm: str
    parameters: tuple[tuple[str, Any], ...] = ()
    scratch: int = 0
    seconds: float = 0.0
    fallback: bool = False


class Target(ABC):
    """One way to run programs. A target is a folder `cnndsl/targets/<name>/`.

    What every target must answer is abstract; what only some can do has an answer here that says no.
    """

    name: str
    strided = False
    """Whether any kernel reads or writes arrays with gaps: parts of the channels where they lie. Else they are copied."""
    lanes = False
    """Whether convolutions may work on several images laid side by side."""
    pads_with_zeros = False
    """Whether convolutions pad with zeros alone: padding by reflection or edges is then made a value of its own."""

    @abstractmethod
    def refuses_fusion(self, anchor: Node | None, inner: Node, place: str) -> str | None:
        """Why `inner` (pointwise) may not be fused at `place` (`prologue` | `epilogue` | `chain`); None: it may."""

    @abstractmethod
    def choose(self, node: Node, workers: int) -> Choice:
        """The algorithm for a node of the final graph, on integer sizes."""

    @abstractmethod
    def emit(self, program: Program) -> str:
        """The program as source text: one readable module that needs nothing of cnndsl."""

    def emitted(self, program: Program) -> tuple[Program, str]:
        """The text, and the program with what only the text decides: how many bytes of scratch its kernels take."""
        return program, self.emit(program)

    def emit_batches(self, programs: Sequence[Program]) -> str:
        """One module for several batches of one model. Raises E606 where the target prints none."""
        raise error("E606", f"target {self.name} writes files for one batch each", help="targets for several: numpy")

    def winograd(self, node: Node, workers: int, training: bool) -> int | None:
        """2 or 4: the tiles by which a convolution of stride 1, or its input gradient, is cheaper than by its own kernel;
        0: its own is cheaper; None: there is no kernel by tiles."""
        return None

    def writes_strided(self, node: Node, choice: Choice) -> bool:
        """Whether the node's kernel can write into every so-many-th channel of a wider array (a branch of a concat)."""
        return False

    def reads_strided(self, node: Node, choice: Choice) -> bool:
        """Whether the node's kernel can read every so-many-th channel of a wider array."""
        return False

    def adds_in_place(self, node: Node, choice: Choice) -> bool:
        """Whether what is fused behind an anchor may be written over an operand that the anchor itself does not read."""
        return False

    def lane_gain(self, node: Node, lanes: int, workers: int) -> float | None:
        """Seconds that a node of images wins as its twin on arrays of lanes; None: there is no kernel for that."""
        return None

    def lane_border(self, value: Value, lanes: int, workers: int) -> float:
        """Seconds to lay a value out anew."""
        return 0.0

    def check_device(self) -> None:  # noqa: B027  (most targets need no device)
        """Raise E641 where an emitted module could not run on this machine."""
