"""`cnndsl compile MODEL -o net.py`: the program as one readable file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cnndsl.cli.options import ModelName, PairList, TargetName, Threads


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
) -> None:
    """Compile a model to one file that needs nothing of cnndsl: the very text that `run` and `train` execute."""
