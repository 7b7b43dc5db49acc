"""`cnndsl train MODEL`: train a network by its recipe."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated

import typer

from cnndsl.cli.options import DataSet, MaxMemory, ModelName, PairList, TargetName, Threads


def train(
    model: ModelName,
    arguments: PairList = None,
    data: DataSet = None,
    recipe: Annotated[str, typer.Option("--recipe", help="The name of a recipe: train NAME { … }.", show_default=False)] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with this folder's newest run of the model.")] = False,
    target: TargetName = "numpy",
    threads: Threads = None,
    max_memory: MaxMemory = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", min=1, max=256, help="Threads that prepare pictures ahead of the step; else one for each core."
        ),
    ] = None,
    on_bad_image: Annotated[
        str, typer.Option("--on-bad-image", help="stop or skip: what a picture that cannot be read does to the training.")
    ] = "stop",
) -> None:
    """Train a model by its recipe. Weights, checkpoints and the curve go to runs/MODEL/NUMBER.

    Entries of the recipe are set with key=value: train.epochs=2 train.seed=7. Ctrl-C stops between two steps and
    saves; --resume goes on from there, to the same weights as if nothing had happened.
    """
    from cnndsl.cli.arguments import pairs
    from cnndsl.cli.models import load_model
    from cnndsl.cli.progress import Progress
    from cnndsl.data import datasets
    from cnndsl.errors import error
    from cnndsl.training.loop import train as train_model

    given = pairs(arguments or ()).only("train")
    net = load_model(model, given)
    if recipe and recipe in net.tasks:
        raise error("E423", f"{recipe} is a task, which cannot be carried out yet", net.tasks[recipe].span)
    if recipe not in net.trains:
        known = ", ".join(sorted(filter(None, net.trains))) or "none"
        raise error("E770", f"{net.name} has no recipe {f'train {recipe}' if recipe else 'train'}; named ones: {known}")
    how = net.trains[recipe].override(given.recipe.get("train", {}))
    name = data or how.data
    if name is None:
        raise error("E770", f"{net.name} names no data to train on", help="name it: --data digits, or --data FOLDER")
    with Progress() as progress:
        done = train_model(
            net,
            how,
            datasets.open(name, check=on_bad_image != "skip"),
            target=target,
            threads=threads,
            resume=resume,
            max_memory=max_memory,
            workers=workers,
            on_bad_image=on_bad_image,
            on_event=progress,
        )
    if done.stopped:
        again = shlex.join(["cnndsl", *sys.argv[1:], *(() if resume else ("--resume",))])
        print(f"\nstopped after step {done.steps}; everything is saved in {done.run_dir}")
        print(f"to go on: {again}")
        raise typer.Exit(130)
    if done.skipped:
        print(f"\nskipped  {len(done.skipped):,} pictures that cannot be read: {done.run_dir / 'skipped.txt'}")
    print(f"\nweights  {done.run_dir / 'weights.safetensors'}")
    print(f"curve    {done.run_dir / 'loss.png'}, log.csv")
    print(f"next     cnndsl eval {model}    cnndsl run {model} PICTURE…")
