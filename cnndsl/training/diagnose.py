"""Where a loss went wrong: the first layer, in the order of the network, that gave a value that is not finite."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnndsl.errors import CnnError, error
from cnndsl.graph.graph import INPUT, STATE, Graph, Node

if TYPE_CHECKING:
    from cnndsl.training.step import Step

Array = NDArray[Any]
MEND = "a new run with a smaller rate, or pictures and labels looked at; --resume would come to the same again"


def not_finite(step: Step, given: Mapping[str, Array], number: int, epoch: int, loss: float, run_dir: Path | None) -> CnnError:
    """E707 for a step on `given` (name → array) whose loss is `loss`. The gate kept the state as it was before the step."""
    sums = {n: np.zeros(s.type.sizes, s.type.dtype) for n, s in step.graph.state.items() if s.kind == "sum"}
    state = step.kept | sums  # as they are when a step begins
    walks = (first_not_finite(step.graph, state, part) for part in step.in_parts(step.given(given, None, step.rate)))
    found = next(filter(None, walks), "")
    notes = [f"the first value that is not finite: {found}"] if found else []
    notes.append("this step changed no weights")
    if run_dir is not None:
        notes.append(f"checkpoints are in {run_dir / 'checkpoints'}")
    return error("E707", f"step {number} (epoch {epoch}): the loss is {loss}", notes=tuple(notes),
                 help=MEND)  # fmt: skip


def spoilt(state: Mapping[str, Array], number: int, epoch: int) -> CnnError | None:
    """E707 where the loss stayed finite but an update made a weight that is not; None where all is well."""
    for name, array in state.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return error("E707", f"after step {number} (epoch {epoch}): {name} is not finite any more", help=MEND,
                         notes=("no checkpoint was written with it",))  # fmt: skip
    return None


def first_not_finite(graph: Graph, state: Mapping[str, Array], inputs: Mapping[str, Any]) -> str:
    """The layer's path and op, or the weight that was not finite already; empty where all is finite up to the loss.

    Walks the forward part on the ops' references, letting arrays go after their last use.
    """
    last: dict[tuple[int, int], int] = {}
    for node in graph.nodes:
        for x in node.operands:
            last[(x.node.id, x.index)] = node.id
    values: dict[tuple[int, int], Array] = {}
    end = graph.outputs["loss"].node.id
    with np.errstate(all="ignore"):
        for node in graph.nodes[: end + 1]:
            for index, y in enumerate(_outputs(node, values, state, inputs)):
                if y.dtype.kind == "f" and not np.isfinite(y).all():
                    return _told(graph, node)
                values[(node.id, index)] = y
            for x in node.operands:
                if last[(x.node.id, x.index)] == node.id:
                    values.pop((x.node.id, x.index), None)
    return ""


def _outputs(
    node: Node, values: Mapping[tuple[int, int], Array], state: Mapping[str, Array], inputs: Mapping[str, Any]
) -> list[Array]:
    if node.op is STATE:
        return [np.asarray(state[node.attrs.name])]
    if node.op is INPUT:
        return [np.asarray(inputs[node.attrs.name])]
    return [np.asarray(y) for y in node.op.reference(np, node.attrs, *(values[(x.node.id, x.index)] for x in node.operands))]


def _told(graph: Graph, node: Node) -> str:
    if node.op is INPUT:
        return f"the input {node.attrs.name}"
    if node.op is STATE:
        user = next((n for n in graph.nodes if any(x.node is node for x in n.operands)), None)
        reader = f", read by {user.path or user.op.name}" if user is not None else ""
        return f"the weight {node.attrs.name}{reader}: the step before has spoilt it"
    place = f" at {node.origin.span}" if node.origin.span is not None else ""
    return f"{node.path or node.op.name} ({node.op.name}){place}"
