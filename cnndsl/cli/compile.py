"""`cnndsl compile MODEL -o net.py`: the program as one readable file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnndsl.cli.options import InputSizes, MaxMemory, PairList, Threads
from cnndsl.errors import error

if TYPE_CHECKING:
    from cnndsl.graph.graph import Graph
    from cnndsl.passes.context import Options
    from cnndsl.passes.stages import Watch


class Numbers(tuple[int, ...]):
    """What `--batch` gives."""


def numbers(text: str) -> Numbers:
    """`1,8` as numbers, each once."""
    found = Numbers(dict.fromkeys(int(x) for x in text.split(",") if x.strip().isascii() and x.strip().isdecimal()))
    if len(found) != len(text.split(",")) or min(found) < 1:
        raise typer.BadParameter(f"{text!r} is no batch: a whole number above 0, or several with commas: 1,8")
    return found


Batch = Annotated[
    Numbers | None,
    typer.Option(
        "--batch",
        "-b",
        parser=numbers,
        metavar="N[,N...]",
        help="Images a call works on; else 1, or the recipe's. 1,8: one file for runs on 1 and on 8.",
    ),
]
Train = Annotated[bool, typer.Option("--train", help="The training step instead of inference.")]
Explain = Annotated[bool, typer.Option("--explain", help="Tell pass by pass what was done, what was refused, and why.")]
Dump = Annotated[Path | None, typer.Option("--dump", help="A folder for the graph after each pass, as text and as a picture.")]
From = Annotated[
    Path | None, typer.Option("--from", help="Go on from a graph that --dump wrote, edited or not, instead of a model.")
]
Passes = Annotated[str | None, typer.Option("--passes", help="Run these passes only, in this order: fold_batch_norm,fuse.")]
Without = Annotated[str | None, typer.Option("--without", help="Leave these passes out: fold_batch_norm,fuse.")]
Model = Annotated[str | None, typer.Argument(help="A file, file.cnn:name, or a bundled name.", show_default=False)]
Target = Annotated[str | None, typer.Option("--target", "-t", help="numpy, cupy or reference.", show_default="numpy")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="The file to write; else the text goes to stdout.")]


def compile(
    model: Model = None,
    arguments: PairList = None,
    output: Output = None,
    target: Target = None,
    batch: Batch = None,
    train: Train = False,
    explain: Explain = False,
    dump: Dump = None,
    stage: From = None,
    passes: Passes = None,
    without: Without = None,
    max_memory: MaxMemory = None,
    threads: Threads = None,
    input: InputSizes = None,
) -> None:
    """Compile a model to one file that needs nothing of cnndsl: the very text that `run` and `train` execute."""
    from dataclasses import replace

    from cnndsl.cli.models import say
    from cnndsl.passes.explain import explain as explained
    from cnndsl.passes.parts import PART
    from cnndsl.program.describe import describe
    from cnndsl.runtime.compile import lower, lower_batches
    from cnndsl.runtime.fit import parse_bytes
    from cnndsl.whole import write_whole

    if target == "reference":
        raise error("E607", "the reference target walks the graph: there is no program to write", help="targets: numpy, cupy")
    if stage is None and model is None:
        raise error("E770", "nothing to compile", help="name a model, or a graph that --dump wrote: --from FILE")
    if stage is not None:
        given = [model, target, batch, threads, passes, *(input or ()), train or None]
        if any(x is not None for x in given):
            asked = {
                "--target": target,
                "--batch": batch and ",".join(map(str, batch)),
                "--threads": threads,
                "--passes": passes,
            }
            words = [f"{option} {x}" for option, x in asked.items() if x is not None]
            words += [f"--input {x}" for x in input or ()] + ["--train"] * bool(train)
            help = f"for another one: {' '.join(['cnndsl compile', model or 'MODEL', *words])} --dump DIR"
            settled = "model, target, batch, threads, sizes and passes"
            raise error("E770", f"--from goes on from a graph whose {settled} are settled", help=help)
        graph, onto, options = resumed(stage, names(without))
    else:
        several(batch, train, dump)
        first, onto = batch[0] if batch else None, target or "numpy"
        graph, options = begun(
            str(model), arguments or (), train, onto, first, input or (), threads, names(passes), names(without)
        )
    if max_memory is not None:
        options = replace(options, max_memory=parse_bytes(max_memory))
    if output is not None:
        options = replace(options, file=output.stem)
    tuning_remark()
    if batch is not None and len(batch) > 1:
        programs, text, logs = lower_batches(graph, target=onto, options=options, batches=batch)
    else:
        program, text, log = lower(graph, target=onto, options=options, watch=watcher(dump, onto, options))
        programs, logs = (program,), (log,)
    for program, log in zip(programs, logs, strict=True) if explain else ():
        print(explained(log))
        print(describe(program))
    if output is not None:
        write_whole(output, text)
        what = "training step" if options.training else "inference"
        size = " or ".join(str(p.batch) for p in programs)
        call = ", one part a call" if PART in programs[0].inputs and options.training else ""
        say(f"{output}: {programs[0].name}, {what} on {size} image{'s' * (size != '1')}{call}, {onto}")
    elif not explain:
        print(text, end="")


def several(batch: Numbers | None, train: bool, dump: Path | None) -> None:
    """Raise E770 where several batches are asked for with what there is one of."""
    if batch is None or len(batch) == 1:
        return
    if train:
        raise error("E770", "a training step has one batch: its mean is over it", help=f"--batch {batch[0]}")
    if dump is not None:
        raise error("E770", "--dump writes the graphs of one batch", help=f"--batch {batch[0]}")


def tuning_remark() -> None:
    """Say where a table of measured times is there and cannot be used."""
    from cnndsl.cli.models import say
    from cnndsl.runtime.tuning import mine

    remark = mine().remark
    if remark:
        say(remark)


def begun(
    model: str,
    arguments: Sequence[str],
    train: bool,
    target: str,
    batch: int | None,
    input: Sequence[str],
    threads: int | None,
    passes: tuple[str, ...] | None,
    without: tuple[str, ...] | None,
) -> tuple[Graph, Options]:
    """The graph of a model, or of its training step, and what is asked for."""
    from cnndsl.cli.arguments import pairs
    from cnndsl.cli.models import load_model
    from cnndsl.cli.sizes import bound_sizes
    from cnndsl.passes.context import Options
    from cnndsl.runtime.compile import checked_batch, checked_threads
    from cnndsl.training.recipes import check_precision
    from cnndsl.training.step import recipe_step, takes_part

    given = pairs(arguments).only(*["train"] * train)
    net = load_model(model, given)
    takes = net.takes
    if train:
        recipe = net.train
        if recipe is None:
            raise error("E770", f"{net.name} has no recipe, so there is no training step to write", help="add train { … }")
        recipe = recipe.override(given.recipe.get("train", {}))
        check_precision(recipe.precision, target, recipe.spans.get("precision"))
        whole = batch or recipe.batch
        graph = recipe_step(net, recipe, whole)
        size = whole // recipe.accumulate
        takes = {**takes, **takes_part(recipe.accumulate, size)}
    else:
        size, graph = batch or 1, net.graph
    return graph, Options(
        batch=checked_batch(size),
        sizes=bound_sizes(net.graph, input),
        workers=checked_threads(threads),
        training=train,
        without=frozenset(without or ()),
        passes=passes,
        takes=takes,
    )


def resumed(path: Path, without: tuple[str, ...] | None) -> tuple[Graph, str, Options]:
    """The graph that was written out, its target, and what is left to do."""
    from dataclasses import replace

    from cnndsl.language.files import read
    from cnndsl.passes.stages import LARGEST, read_stage
    from cnndsl.runtime.compile import checked_batch, checked_threads

    graph, stage = read_stage(read(path, most=LARGEST).text, str(path))
    checked_batch(stage.batch), checked_threads(stage.workers)
    return graph, stage.target, replace(stage.options(), without=frozenset(without or ()))


def names(text: str | None) -> tuple[str, ...] | None:
    """`fold_batch_norm,fuse` as names."""
    return None if text is None else tuple(x.strip() for x in text.split(",") if x.strip())


def watcher(folder: Path | None, target: str, options: Options) -> Watch | None:
    """Writes each stage as text and as a picture."""
    if folder is None:
        return None
    from cnndsl.passes.stages import dumper, write_text
    from cnndsl.view.svg import svg

    as_text = dumper(folder, target, options)

    def watch(number: int, name: str, graph: Graph, rest: Sequence[str]) -> None:
        as_text(number, name, graph, rest)
        write_text(folder / f"{number:02}_{name}.svg", svg(graph))

    return watch
