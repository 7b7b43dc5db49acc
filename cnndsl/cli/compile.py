"""`cnndsl compile MODEL -o net.py`: the program as one readable file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cnndsl.cli.options import InputSizes, ModelName, PairList, TargetName, Threads
from cnndsl.errors import error


def compile(
    model: ModelName,
    arguments: PairList = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write; else the text goes to stdout.")
    ] = None,
    target: TargetName = "numpy",
    batch: Annotated[
        int | None, typer.Option("--batch", "-b", min=1, help="Images a call works on; else 1, or the recipe's.")
    ] = None,
    train: Annotated[bool, typer.Option("--train", help="The training step instead of inference.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Tell pass by pass what was done, what was refused, and why.")
    ] = False,
    dump: Annotated[Path | None, typer.Option("--dump", help="A folder for the graph after each pass.")] = None,
    threads: Threads = None,
    input: InputSizes = None,
) -> None:
    """Compile a model to one file that needs nothing of cnndsl: the very text that `run` and `train` execute."""
    from cnndsl.cli.arguments import pairs
    from cnndsl.cli.models import load_model, say
    from cnndsl.cli.sizes import bound_sizes
    from cnndsl.passes.context import Options
    from cnndsl.passes.explain import explain as explained
    from cnndsl.program.describe import describe
    from cnndsl.runtime.compile import checked_threads, lower
    from cnndsl.training.step import build_step

    net = load_model(model, pairs(arguments or ()).only())
    if target == "reference":
        raise error("E607", "the reference target walks the graph: there is no program to write", help="targets: numpy, cupy")
    if train:
        recipe = net.train
        if recipe is None:
            raise error("E770", f"{net.name} has no recipe, so there is no training step to write", help="add train { … }")
        size = batch or recipe.batch
        graph = build_step(net, recipe.loss, recipe.optimizer, size)
    else:
        size, graph = batch or 1, net.graph
    sizes = bound_sizes(net.graph, input or ())
    options = Options(batch=size, sizes=sizes, workers=checked_threads(threads), training=train)
    program, text, log = lower(graph, target=target, options=options, dump=dump)
    if explain:
        print(explained(log))
        print(describe(program))
    if output is not None:
        write_whole(output, text)
        what = "training step" if train else "inference"
        say(f"{output}: {program.name}, {what} on {size} image{'s' * (size != 1)}, {target}")
    elif not explain:
        print(text, end="")


def write_whole(path: Path, text: str) -> None:
    """The file appears whole or not at all. Raises E598 where it cannot be written."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    except OSError as e:
        aside.unlink(missing_ok=True)
        raise error("E598", f"{path} cannot be written: {e.strerror or e}") from None
