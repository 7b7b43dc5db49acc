"""`cnndsl train MODEL`: train a network by its recipe."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnndsl.cli.options import DataSet, MaxMemory, ModelName, OnBadImage, PairList, TargetName, Threads, Workers

if TYPE_CHECKING:
    from cnndsl.language.recipe import TrainRecipe
    from cnndsl.training.records import TrainResult


def train(
    model: ModelName,
    arguments: PairList = None,
    data: DataSet = None,
    validate: Annotated[
        str | None, typer.Option("--validate", help="The path of data to validate on; else what the recipe says.")
    ] = None,
    recipe: Annotated[str, typer.Option("--recipe", help="The name of a recipe: train NAME { … }.", show_default=False)] = "",
    weights: Annotated[
        Path | None, typer.Option("--weights", "-w", help="Weights to begin with, a safetensors file.", show_default=False)
    ] = None,
    reset: Annotated[
        list[str] | None,
        typer.Option("--reset", help="With --weights: a path of weights that begin anew, such as the last layer's."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with this folder's newest run of the model.")] = False,
    target: TargetName = "numpy",
    threads: Threads = None,
    max_memory: MaxMemory = None,
    workers: Workers = None,
    on_bad_image: OnBadImage = "stop",
    watch: Annotated[bool, typer.Option("--watch", help="Draw loss and accuracy in the terminal while it trains.")] = False,
    patience: Annotated[
        int | None,
        typer.Option("--patience", min=1, help="End when the loss has not fallen for so many epochs.", show_default=False),
    ] = None,
    gradient_norm: Annotated[
        bool, typer.Option("--gradient-norm", help="Log the length of the gradient too; the step is a little slower.")
    ] = False,
) -> None:
    """Train a model by its recipe. Weights, checkpoints and curves, which follow the work, go to runs/MODEL/NUMBER.

    Entries of the recipe are set with key=value: train.epochs=2 train.seed=7. Ctrl-C stops between two steps and
    saves; --resume goes on from there, to the same weights as if nothing had happened.
    """
    from cnndsl.cli.arguments import pairs
    from cnndsl.cli.models import load_model
    from cnndsl.cli.progress import Progress
    from cnndsl.data import datasets
    from cnndsl.errors import counted, error
    from cnndsl.runtime.heap import keep_freed_memory
    from cnndsl.training.best import best
    from cnndsl.training.loop import train as train_model

    if resume and (weights is not None or reset):
        raise error("E770", "--resume goes on from a checkpoint; --weights and --reset begin a run")
    if reset and weights is None:
        raise error("E770", "--reset says what of --weights begins anew, and no --weights are given")
    given = pairs(arguments or ()).only("train")
    net = load_model(model, given, trains=True)
    if recipe and recipe in net.tasks:
        help = f"cnndsl restore PICTURE --model {model} --task {recipe}"
        raise error("E423", f"{recipe} is a task, which is carried out on one picture", net.tasks[recipe].span, help=help)
    if recipe not in net.trains:
        known = ", ".join(sorted(filter(None, net.trains))) or "none"
        tasks = f"its tasks: cnndsl restore PICTURE --model {model} --task {next(iter(net.tasks))}" if net.tasks else None
        message = f"{net.name} has no recipe {f'train {recipe}' if recipe else 'train'}; named ones: {known}"
        raise error("E770", message, help=tasks)
    how = net.trains[recipe].override(given.recipe.get("train", {}))
    name = data or how.data
    if name is None:
        raise error("E770", f"{net.name} names no data to train on", help="name it: --data FOLDER, with one folder a class")
    keep_freed_memory()
    with Progress(watch=watch) as progress:
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
            weights=weights,
            reset=reset or (),
            gradient_norm=gradient_norm,
            validation=datasets.open(validate, on_bad_image != "skip", hold_back=False) if validate is not None else None,
            patience=patience,
            on_event=progress,
        )
    if done.waited is not None:
        print(f"\nended after epoch {len(done.history)}: the loss has not fallen for {counted(done.waited, 'epoch')}")
    elif resume and done.begun == done.steps:
        print(finished(done, how, sys.argv[1:]))
        return
    if done.stopped:
        print(f"\nstopped after step {done.steps}; everything is saved in {done.run_dir}")
        print(f"to go on: {command(sys.argv[1:], '--resume')}")
        raise typer.Exit(130)
    if done.skipped:
        print(f"\nskipped  {counted(len(done.skipped), 'picture')} that cannot be read: {done.run_dir / 'skipped.txt'}")
    print(f"\nweights  {done.run_dir / 'weights.safetensors'}")
    found = best(done.history)
    if found is not None and found.epoch < len(done.history):
        print(f"best     {done.run_dir / 'best.safetensors'}, of epoch {found.epoch} in validation")
    print(f"curves   {done.run_dir / 'loss.png'}, loss.svg, log.csv, steps.csv")
    same = [model, *(f"{key}={value}" for key, value in given.model.items())]
    on = ["--data", data] if data is not None else []
    on += ["--on-bad-image", "skip"] if on_bad_image == "skip" else []
    print(f"next     {shlex.join(['cnndsl', 'eval', *same, *on])}    {shlex.join(['cnndsl', 'run', *same])} PICTURE…")


def command(words: list[str], *more: str) -> str:
    """The command line again, with more words where they are not there."""
    return shlex.join(["cnndsl", *words, *(x for x in more if x not in words)])


def finished(done: TrainResult, how: TrainRecipe, words: list[str]) -> str:
    """What there is to say where nothing was left to do."""
    entry, now = ("steps", how.steps) if how.steps is not None else ("epochs", how.epochs or 1)
    rest = [x for x in words if not x.startswith((f"train.{entry}=",))]
    return (
        f"{done.run_dir} is finished: {done.steps:,} steps are done, and {now:,} {entry} are asked for\n"
        f"to train on: {command(rest, '--resume', f'train.{entry}={2 * now}')}\n"
        f"(the rate then follows the schedule of {2 * now:,} {entry}; without --resume a new run begins)"
    )
