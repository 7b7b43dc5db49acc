"""Which argument a weight file asks for: weights of another number of classes fit, once the model is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnndsl.errors import CnnError

if TYPE_CHECKING:
    from cnndsl.language.model import Model

Shapes = dict[str, tuple[int, ...]]
MOST_TRIES = 24


def check_fit(model: Model, spec: str, given: Mapping[str, str], path: Path) -> None:
    """Raises E504 where the weights do not fit the model as it runs. It names the one other argument that would make them fit,
    else what of the file was changed since the run that they are of, and the ways out."""
    from dataclasses import replace

    from cnndsl.runtime.weights import fitting, reached

    wanted = override(model, spec, given, path)
    state = model.graph.state
    try:
        fitting(model.name, reached(model.graph, model.graph.outputs.values()) if wanted is None else state, path, state)
    except CnnError as e:
        if all(d.code != "E504" for d in e.diagnostics):
            raise
        words = " ".join([spec, *(f"{k}={v}" for k, v in given.items() if wanted and k != wanted.partition("=")[0])])
        help = (
            f"they are of {model.name} with {wanted}: say so here too: {words} {wanted}"
            if wanted is not None
            else f"{_why(model, path)}: train again: cnndsl train {words}; or name other weights: -w FILE"
        )
        raise CnnError(replace(d, help=help) for d in e.diagnostics) from None


def _why(model: Model, path: Path) -> str:
    """Why the weights do not fit, as far as is known."""
    from cnndsl.training.origin import changed

    differ, _ = changed(path.parent, model)
    return differ or "they are of another network, or of this one before its file was changed"


def override(model: Model, spec: str, given: Mapping[str, str], path: Path) -> str | None:
    """`classes=4`: the one whole-number argument that makes the model's weights those of the file. None where they are, where
    none does or where several do, and for a file that cannot be read.
    """
    from cnndsl.language.load import load
    from cnndsl.runtime.safetensors import WeightFile

    try:
        file = WeightFile(path)
        there: Shapes = {name: file.shape(name) for name in file}
    except CnnError:
        return None
    here = shapes(model)
    if there == here:
        return None
    both = [(here[n], there[n]) for n in there.keys() & here.keys() if len(there[n]) == len(here[n])]
    pairs = {(a, b) for mine, theirs in both for a, b in zip(mine, theirs, strict=True) if a != b}
    numbers = {name: x for name, x in model.arguments.items() if type(x) is int}
    tries = sorted({(name, x * b // a) for name, x in numbers.items() for a, b in pairs if x and x * b % a == 0})
    found = []
    for name, value in tries[:MOST_TRIES]:
        try:
            arguments: dict[str, Any] = {**given, name: value}
            if shapes(load(spec, **arguments)) == there:
                found.append(f"{name}={value}")
        except CnnError:
            continue
    return found[0] if len(found) == 1 else None


def shapes(model: Model) -> Shapes:
    """name → shape of what a weight file of the model has."""
    return {n: s.type.sizes for n, s in model.graph.state.items() if s.kind in ("parameter", "buffer")}
