"""Do these arrays fit this model? One message for all that does not."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from cnndsl.errors import briefly, error
from cnndsl.graph.graph import Graph, State, Value

SHOWN = 5


def fitting(
    name: str,
    state: Mapping[str, State],
    weights: Mapping[str, Any] | str | os.PathLike[str],
    spare: Mapping[str, State] | None = None,
) -> dict[str, Any]:
    """name → array for all of `state` that `weights` must give; a path is read. name: of the model, for messages.

    spare: state that the whole model has though it is not needed here (heads): allowed, left out.
    Raises E501, E502 for a file; E504 (missing, left over, of another shape, not finite), naming each.
    """
    from cnndsl.runtime.safetensors import read_weights

    if not isinstance(weights, (Mapping, str, os.PathLike)):
        raise error("E504", f"weights are a mapping from names to arrays, or a file, not {briefly(weights)}")
    source = "" if isinstance(weights, Mapping) else f"{os.fspath(weights)}: "
    given = dict(weights) if isinstance(weights, Mapping) else read_weights(weights)
    needed = {n: s for n, s in state.items() if s.kind in ("parameter", "buffer")}
    known = {**(spare or {}), **state}
    problems = [
        *_listed("missing", [n for n in needed if n not in given]),
        *_listed("left over", [n for n in given if n not in known], list(needed)),
    ]
    for n in (n for n in state if n in given):
        problems += _unfit(n, given[n], state[n])
    if problems:
        raise error("E504", f"{source}the weights do not fit {name}", notes=tuple(problems[: SHOWN + 3]))
    return {n: np.asarray(given[n]) for n in state if n in given}


def reached(graph: Graph, outputs: Iterable[Value]) -> dict[str, State]:
    """The state that these values of `graph` are computed from."""
    needed = {y.node for y in outputs}
    for node in reversed(graph.nodes):
        if node in needed:
            needed.update(x.node for x in node.operands)
    return {n: s for n, s in graph.state.items() if graph.state_values[n].node in needed}


def _unfit(name: str, array: Any, state: State) -> list[str]:
    shape = tuple(np.shape(array))
    if shape != state.type.shape:
        return [f"{name} has shape {_drawn(shape)}, the model needs {_drawn(state.type.sizes)}"]
    kind = np.asarray(array).dtype
    if kind.kind not in "fiub":
        return [f"{name} holds {kind}, not numbers"]
    if kind.kind == "f" and not np.isfinite(array).all():
        return [f"{name} holds numbers that are not finite"]
    return []


def _listed(what: str, names: Sequence[str], near: Sequence[str] = ()) -> list[str]:
    if not names:
        return []
    shown = []
    for name in names[:SHOWN]:
        close = difflib.get_close_matches(name, near, 1, 0.8) if near else []
        shown.append(f"{name} (did you mean {close[0]}?)" if close else name)
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [f"{what}: {', '.join(shown)}{more}"]


def _drawn(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"
