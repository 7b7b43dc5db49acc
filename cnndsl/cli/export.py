"""`cnndsl export MODEL -o FILE`: the network for other programs as ONNX, or written out as `.cnn` text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cnndsl.cli.options import InputSizes, ModelName, PairList, WeightsFile


def export(
    model: ModelName,
    arguments: PairList = None,
    weights: WeightsFile = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file, .onnx or .cnn; else MODEL.onnx here.")
    ] = None,
    input: InputSizes = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Write initial weights drawn by this seed instead of trained ones.")
    ] = None,
) -> None:
    """Write a network with its weights as ONNX, or, into a .cnn file, all its blocks written out."""
    from cnndsl.cli.arguments import pairs
    from cnndsl.cli.models import find_weights, load_model, say
    from cnndsl.cli.sizes import bound_sizes
    from cnndsl.errors import error
    from cnndsl.formats.onnx import export_onnx
    from cnndsl.whole import write_whole

    asked = pairs(arguments or ()).only()
    net = load_model(model, asked)
    path = output or Path(f"{net.name}.onnx")
    if path.suffix == ".cnn":
        if seed is not None or weights is not None or input:
            raise error("E770", "a .cnn file holds no weights and no sizes: it goes without --weights, --seed and --input")
        if path.exists():
            raise error("E598", f"{path} is there already", help="name another file")
        write_whole(path, net.to_cnn())
        say(f"{path}: try cnndsl show {path}")
        return
    if path.suffix != ".onnx":
        raise error("E770", f"{path} is no .onnx and no .cnn file", help="these two are written so far")
    if seed is not None and weights is not None:
        raise error("E770", "--weights and --seed cannot be given together")
    if seed is not None:
        values = net.initial_weights(seed)
        say(f"weights: initial ones of seed {seed}")
    else:
        found = find_weights(net, weights, model, asked, "write initial ones: --seed 1")
        values = found.read()
        say(f"weights: {found.path} ({found.found})")
    export_onnx(net, values, path, sizes=bound_sizes(net.graph, input or ()))
    print(f"{path}: {path.stat().st_size:,} bytes")
