"""The arguments that several commands share, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ModelName = Annotated[str, typer.Argument(help="A file, file.cnn:name, or a bundled name.", show_default=False)]
PairList = Annotated[
    list[str] | None,
    typer.Argument(help="key=value: arguments of the model, entries of its recipe.", show_default=False),
]
Arguments = Annotated[list[str] | None, typer.Argument(help="key=value: arguments of the model.", show_default=False)]
EvalName = Annotated[str, typer.Option("--recipe", help="The name of a recipe: eval NAME { … }.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print data for programs instead of text for people.")]
WeightsFile = Annotated[
    Path | None, typer.Option("--weights", "-w", help="A safetensors file; else the newest run here; else the bundled weights.")
]
InputSizes = Annotated[
    list[str] | None,
    typer.Option("--input", help="Sizes for the symbols of an input: 256x256x32, or z=256x256x32 where there are several."),
]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Threads to use; else every core.")]
TargetName = Annotated[str, typer.Option("--target", "-t", help="numpy, cupy or reference.")]
DataSet = Annotated[
    str | None,
    typer.Option(
        "--data",
        "-d",
        help="A bundled data set, or the path of one: a folder by class, MNIST or CIFAR files, .npz, .csv; else the recipe's.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, max=256, help="Threads that read and prepare pictures ahead; else one for each core."),
]
OnBadImage = Annotated[
    str, typer.Option("--on-bad-image", help="stop or skip: what to do with a picture that cannot be read.", metavar="WORD")
]
MaxMemory = Annotated[
    str | None, typer.Option("--max-memory", help="What a run may need, as 2GB: a step then makes activations again.")
]
