"""The NumPy target: any program as one readable Python module that needs only NumPy."""

from __future__ import annotations

from collections.abc import Sequence

from cnndsl.graph.graph import Node, Value
from cnndsl.graph.target import Choice, Target
from cnndsl.program.program import Program


class NumpyTarget(Target):
    """How programs run on NumPy."""

    name = "numpy"
    strided = lanes = pads_with_zeros = True

    def refuses_fusion(self, anchor: Node | None, inner: Node, place: str) -> str | None:
        from cnndsl.targets.numpy.fusion import refuses

        return refuses(anchor, inner, place)

    def choose(self, node: Node, workers: int) -> Choice:
        from cnndsl.targets.numpy.choices import choose

        return choose(node, workers)

    def winograd(self, node: Node, workers: int, training: bool) -> int:
        from cnndsl.targets.numpy.lower.winograd import tile_of

        return tile_of(node, workers, training)

    def writes_strided(self, node: Node, choice: Choice) -> bool:
        from cnndsl.targets.numpy.choices import writes_strided

        return writes_strided(node, choice)

    def adds_in_place(self, node: Node, choice: Choice) -> bool:
        from cnndsl.targets.numpy.choices import adds_in_place

        return adds_in_place(node, choice)

    def reads_strided(self, node: Node, choice: Choice) -> bool:
        from cnndsl.targets.numpy.choices import reads_strided

        return reads_strided(node, choice)

    def lane_gain(self, node: Node, lanes: int, workers: int) -> float | None:
        from cnndsl.targets.numpy.layouts import gain

        return gain(node, lanes, workers)

    def lane_border(self, value: Value, lanes: int, workers: int) -> float:
        from cnndsl.targets.numpy.layouts import border

        return border(value, lanes, workers)

    def emit(self, program: Program) -> str:
        return self.emitted(program)[1]

    def emitted(self, program: Program) -> tuple[Program, str]:
        from cnndsl.targets.numpy.emit import emitted

        return emitted(program)

    def emit_batches(self, programs: Sequence[Program]) -> str:
        from cnndsl.targets.numpy.batches import emit_batches

        return emit_batches(programs)


TARGET = NumpyTarget()
