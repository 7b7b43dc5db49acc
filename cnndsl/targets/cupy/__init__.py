"""The CuPy target: a program as one module of Python and CUDA C for an NVIDIA GPU. A first, simple one."""

from __future__ import annotations

from cnndsl.graph.graph import Node
from cnndsl.graph.target import Choice, Target
from cnndsl.program.program import Program


class CupyTarget(Target):
    """How programs run on CuPy."""

    name = "cupy"

    def refuses_fusion(self, anchor: Node | None, inner: Node, place: str) -> str | None:
        if inner.op.pointwise is None:
            return f"{inner.op.name} is not pointwise"
        if place != "chain" or anchor is not None:
            return "a kernel here writes its result in one go"
        return None

    def choose(self, node: Node, workers: int) -> Choice:
        """`seconds` stays 0: one GPU runs a kernel as a whole, so no region is ever cut between workers."""
        from cnndsl.targets.cupy.choices import choose

        return choose(node)

    def check_device(self) -> None:
        from cnndsl.targets.cupy.device import check_device

        check_device()

    def emit(self, program: Program) -> str:
        from cnndsl.targets.cupy.emit import emit

        return emit(program)


TARGET = CupyTarget()
