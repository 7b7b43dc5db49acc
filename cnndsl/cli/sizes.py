"""`--input 256x256x3`: numbers for the symbolic sizes of a model's inputs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cnndsl.errors import counted, error
from cnndsl.graph.graph import Graph
from cnndsl.graph.sizes import Affine, example
from cnndsl.graph.types import drawn

SHAPE = re.compile(r"(?:([A-Za-z_]\w*)=)?(\d{1,9}(?:x\d{1,9}){0,3})")


def asking(graph: Graph) -> str:
    """The options that would bind every input that leaves sizes open: `--input 256x256x32`."""
    shapes = {
        name: x.type.shape[1:] for name, x in graph.inputs.items() if any(isinstance(n, Affine) for n in x.type.shape[1:])
    }
    name = "{}=" if len(graph.inputs) > 1 else ""
    return " ".join(f"--input {name.format(key)}{example(shape)}" for key, shape in shapes.items())


def bound_sizes(graph: Graph, given: Iterable[str]) -> dict[str, int]:
    """symbol → number, from `256x256x3` (a model with one input) or `z=256x256x3`. Raises E770 where it does not fit."""
    found: dict[str, int] = {}
    for text in given:
        match = SHAPE.fullmatch(text)
        if match is None:
            raise error(
                "E770", f"--input {text!r} is not a shape", help=f"it looks like this: {asking(graph) or '--input 256x256x3'}"
            )
        name = match[1] or (next(iter(graph.inputs)) if len(graph.inputs) == 1 else "")
        if name not in graph.inputs:
            raise error("E770", f"{graph.name} has no input {name or 'of that shape'}; it has {', '.join(graph.inputs)}")
        shape, numbers = graph.inputs[name].type.shape[1:], [int(x) for x in match[2].split("x")]
        if len(numbers) != len(shape):
            raise error("E770", f"{name} is {drawn(shape)}, which has {counted(len(shape), 'size')}, not {len(numbers)}")
        for size, number in zip(shape, numbers, strict=True):
            symbol = size.terms[0][0].partition("/")[0] if isinstance(size, Affine) else ""
            if not symbol and size != number:
                raise error("E770", f"{name} is {drawn(shape)}: its {size} cannot become {number}")
            if symbol and found.setdefault(symbol, number) != number:
                raise error("E770", f"{symbol} is {found[symbol]} and {number}: it must be one number")
    return found
