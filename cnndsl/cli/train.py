"""`cnndsl train MODEL`: train a network by its recipe."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnndsl.cli.options import DataSet, MaxMemory, ModelName, OnBadImage, PairList, TargetName, Threads, Workers

if TYPE_CHECKING:
    from cnndsl.cli.resuming import Command
    from cnndsl.data.records import Dataset
    from cnndsl.language.model import Model
    from cnndsl.language.recipe import TrainRecipe
    from cnndsl.training.records import Event, TrainResult


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

    Entries of the recipe are set with key=value: train.epochs=2 train.optimizer.rate=0.01. Ctrl-C stops between two steps and
    saves; --resume goes on from there, to the same weights as if nothing had happened. What the run was given (data, entries,
    options) need not be said again.
    """
    from cnndsl.cli import resuming
    from cnndsl.cli.arguments import pairs
    from cnndsl.cli.data import say_passed
    from cnndsl.cli.models import load_model
    from cnndsl.cli.progress import Progress
    from cnndsl.data import datasets
    from cnndsl.errors import counted, error
    from cnndsl.runtime.heap import keep_freed_memory
    from cnndsl.training.best import best
    from cnndsl.training.loop import train as train_model
    from cnndsl.training.recipes import check_recipe
    from cnndsl.training.records import Started

    if resume and (weights is not None or reset):
        raise error("E770", "--resume goes on from a checkpoint; --weights and --reset begin a run")
    if reset and weights is None:
        raise error("E770", "--reset says what of --weights begins anew, and no --weights are given")
    said = resuming.command(
        pairs(arguments or ()).only("train"), recipe=recipe, data=data, validate=validate, target=target, threads=threads,
        max_memory=max_memory, on_bad_image=on_bad_image, patience=patience, gradient_norm=gradient_norm,
    )  # fmt: skip
    now = said
    if resume:
        said = now.over(begun(model, sys.argv[1:]))
    with Early() as early:
        net = load_model(model, said.pairs, trains=True)
        how = recipe_of(net, model, said)
        check_recipe(how, net.graph)
        name, validate, skips = said.option("data") or how.data, said.option("validate"), said.option("on_bad_image")
        if name is None:
            help = (
                "name those that the run was begun with: --data PATH"
                if resume
                else "name it: --data FOLDER, with one folder a class"
            )
            raise error("E770", f"{net.name} names no data to train on", help=help)
        keep_freed_memory()
        images = datasets.open(name, check=skips != "skip")
        say_passed(images)
        doubts(net, how, images)
        with Progress(watch=watch, of=resuming.whence(said, now, name) if resume else "") as progress:

            def tell(event: Event) -> None:
                if isinstance(event, Started):
                    early.over = True
                    resuming.keep(event.run_dir, said)
                progress(event)

            done = train_model(
                net,
                how,
                images,
                target=said.option("target"),
                threads=said.option("threads"),
                resume=resume,
                max_memory=said.option("max_memory"),
                workers=workers,
                on_bad_image=skips,
                weights=weights,
                reset=reset or (),
                gradient_norm=said.option("gradient_norm"),
                validation=datasets.open(validate, skips != "skip", hold_back=False) if validate is not None else None,
                patience=said.option("patience"),
                on_event=tell,
            )
    if done.waited is not None:
        print(f"\nended after epoch {len(done.history)}: the loss has not fallen for {counted(done.waited, 'epoch')}")
    elif resume and done.begun == done.steps:
        print(finished(done, how, sys.argv[1:]))
        return
    if done.stopped:
        print(f"\nstopped after step {done.steps}; everything is saved in {done.run_dir}")
        print(f"to go on: {shlex.join(['cnndsl', 'train', model, '--resume'])}")
        raise typer.Exit(130)
    if done.skipped:
        print(f"\nskipped  {counted(len(done.skipped), 'picture')} that cannot be read: {done.run_dir / 'skipped.txt'}")
    print(f"\nweights  {done.run_dir / 'weights.safetensors'}")
    found = best(done.history)
    if found is not None and found.epoch < len(done.history):
        print(f"best     {done.run_dir / 'best.safetensors'}, of epoch {found.epoch} in validation")
    print(f"curves   {done.run_dir / 'loss.png'}, loss.svg, log.csv, steps.csv")
    same = [model, *(f"{key}={value}" for key, value in said.arguments.items())]
    on = ["--data", said.option("data")] if said.option("data") is not None else []
    on += ["--on-bad-image", "skip"] if skips == "skip" else []
    print(f"next     {shlex.join(['cnndsl', 'eval', *same, *on])}    {shlex.join(['cnndsl', 'run', *same])} PICTURE…")


class Early:
    """Before the first step, where Ctrl-C loses nothing: says so, and lets it end the command."""

    def __init__(self) -> None:
        self.over = False

    def __enter__(self) -> Early:
        return self

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        if kind is KeyboardInterrupt and not self.over:
            from cnndsl.cli.models import say

            say("\nstopped before the first step: nothing was changed")


def begun(model: str, words: list[str]) -> Command:
    """What the newest run of the model and its file was begun with. Raises E709 where there is none."""
    from cnndsl.cli import resuming
    from cnndsl.language.load import locate, name_of
    from cnndsl.training.origin import file_of
    from cnndsl.training.same_run import to_resume

    name = name_of(model)
    begin = shlex.join(["cnndsl", *(x for x in words if x != "--resume")])
    return resuming.kept(to_resume(name, file_of(locate(model)[0]), begin))


def recipe_of(net: Model, model: str, said: Command) -> TrainRecipe:
    """The recipe that is meant, with its entries changed. Raises E423, E770 where there is none of that name."""
    from cnndsl.errors import error

    recipe = said.option("recipe")
    if recipe and recipe in net.tasks:
        help = f"cnndsl restore PICTURE --model {model} --task {recipe}"
        raise error("E423", f"{recipe} is a task, which is carried out on one picture", net.tasks[recipe].span, help=help)
    if recipe not in net.trains:
        known = ", ".join(sorted(filter(None, net.trains))) or "none"
        tasks = f"its tasks: cnndsl restore PICTURE --model {model} --task {next(iter(net.tasks))}" if net.tasks else None
        message = f"{net.name} has no recipe {f'train {recipe}' if recipe else 'train'}; named ones: {known}"
        raise error("E770", message, help=tasks)
    return net.trains[recipe].override(said.entries)


def doubts(net: Model, how: TrainRecipe, images: Dataset) -> None:
    """Warn of what the recipe most likely does not mean."""
    from cnndsl.cli.failure import draw
    from cnndsl.language import recipe_warnings
    from cnndsl.language.load import against

    shape: tuple[int, ...] = getattr(images.train.images, "shape", ())
    size = (shape[1], shape[2]) if len(shape) == 4 else None
    draw([*against(how, net.graph), *recipe_warnings.doubts(net, how, size)])


def finished(done: TrainResult, how: TrainRecipe, words: list[str]) -> str:
    """What there is to say where nothing was left to do. words: of the command, which say what the run does not know yet."""
    from cnndsl.errors import counted

    entry, now = ("steps", how.steps) if how.steps is not None else ("epochs", how.epochs or 1)
    there = done.steps if entry == "steps" else -(-done.steps // done.steps_per_epoch)
    kept = [x for x in words if x != "--resume" and not x.startswith(("train.epochs=", "train.steps="))]
    more = shlex.join(["cnndsl", *kept, "--resume", f"train.{entry}={there + now}"])
    asked = counted(now, entry[:-1])
    are = ["is" if n == 1 else "are" for n in (done.steps, now)]
    return (
        f"{done.run_dir} is finished: {counted(done.steps, 'step')} {are[0]} done, and {asked} {are[1]} asked for\n"
        f"to train on, {asked} more: {more}\n"
        f"(the rate then follows the schedule of {there + now:,} {entry}; without --resume a new run begins)"
    )
