"""`cnndsl plot WHAT …`: pictures of a network, of what it sees, and of how it was trained. One word for each picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnndsl.cli.options import Arguments, DataSet, EvalName, InputSizes, ModelName, PairList, TargetName, Threads, WeightsFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cnndsl.cli.models import Weights
    from cnndsl.data.records import Dataset
    from cnndsl.language.model import Model
    from cnndsl.training.records import Row

Output = Annotated[Path, typer.Option("--output", "-o", help="The picture to write: .png, .svg or .pdf.", show_default=False)]
Title = Annotated[str | None, typer.Option("--title", help="What stands above it.", show_default=False)]

plot = typer.Typer(
    name="plot",
    help="Draw filters, maps, curves, confusion, mistakes, receptive fields, the loss around a network.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@plot.command("filters")
def filters(
    model: ModelName,
    output: Output,
    arguments: Arguments = None,
    layer: Annotated[str, typer.Option("--layer", "-l", help="A convolution's path; else the first.", show_default=False)] = "",
    weights: WeightsFile = None,
    title: Title = None,
) -> None:
    """The filters of a convolution, as pictures.

    Example: cnndsl plot filters lenet5 -o filters.png
    """
    from cnndsl.runtime.weights import fitting
    from cnndsl.view.filters import filters_picture
    from cnndsl.view.layers import convolution

    check_output(output)
    net, found = with_weights(model, arguments, weights)
    node = convolution(net.graph, layer)
    name, state = node.operands[1].node.attrs.name, net.graph.state
    array = fitting(net.name, {name: state[name]}, found.path, spare=state)[name]
    filters_picture(array, output, f"{net.name}: {node.path}" if title is None else title)
    told(output)


@plot.command("curves")
def curves(
    runs: Annotated[
        list[str],
        typer.Argument(help="Folders of runs or of numbered runs, or models (their newest run); NAME=FOLDER names a line."),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The picture to write: .png, .svg or .pdf.", show_default=False)
    ] = None,
    reach: Annotated[
        float | None,
        typer.Option(
            "--reach", min=0, max=100, help="An accuracy in training, in %: how many epochs it takes.", show_default=False
        ),
    ] = None,
    only: Annotated[str, typer.Option("--only", help="training or validation; else both are drawn.", show_default=False)] = "",
    title: Title = None,
    watch: Annotated[bool, typer.Option("--watch", help="Follow runs that go on, until Ctrl-C.")] = False,
) -> None:
    """Loss and accuracy of one or several runs, as a picture or as text, and a table of where they end.

    Runs of one name are one line: their mean, in a band from the smallest to the largest.

    Example: cnndsl plot curves ReLU=runs/a/1 tanh=runs/b/1 -o curves.png
    """
    from cnndsl.cli.logs import named
    from cnndsl.cli.watch import shown
    from cnndsl.errors import error
    from cnndsl.view.curves import MOST, curves_picture

    if output is not None:
        check_output(output)
    elif only or title is not None:
        raise error(
            "E770", "--only and --title are for the picture", help="-o FILE draws one; without it the curves come as text"
        )
    if only not in ("", "training", "validation"):
        raise error("E770", f"--only {only} says neither training nor validation")
    found = named(runs)
    if len(found) > MOST:
        raise error("E770", f"{len(found)} lines are too many for one picture: {MOST} colours can be told apart")

    def drawn(read: Mapping[str, Sequence[Sequence[Row]]]) -> None:
        if output is not None:
            curves_picture(read, output, title or "", reach, only)

    shown(found, watch, output is None, reach, drawn)
    if output is not None:
        told(output)


Picture = Annotated[str, typer.Argument(help="The picture; the model's preprocess says what happens to it.")]
Layers = Annotated[
    list[str] | None,
    typer.Option("--layer", "-l", help="A layer's path or name, several times; else some that tell much.", show_default=False),
]


@plot.command("activations")
def activations(
    model: ModelName,
    picture: Picture,
    output: Output,
    arguments: Arguments = None,
    layers: Layers = None,
    weights: WeightsFile = None,
    title: Title = None,
) -> None:
    """What layers make of a picture, map by map.

    Example: cnndsl plot activations lenet5 digit.png -o maps.png
    """
    from cnndsl.view.maps import activations as maps_of
    from cnndsl.view.maps import activations_picture

    check_output(output)
    net, found = with_weights(model, arguments, weights)
    image = prepared(net, picture)
    maps = maps_of(net.graph, found.path, image, layers or ())
    activations_picture(image, maps, output, net.name if title is None else title)
    told(output)


@plot.command("field")
def field(
    model: ModelName,
    output: Output,
    words: Annotated[
        list[str] | None, typer.Argument(help="A picture to draw upon; key=value for the model.", show_default=False)
    ] = None,
    layers: Layers = None,
    input: InputSizes = None,
    title: Title = None,
) -> None:
    """What the middle value of a layer sees of the input.

    Example: cnndsl plot field resnet18 photo.png -l stage2 -o field.png
    """
    from cnndsl.cli.arguments import split
    from cnndsl.cli.models import load_model
    from cnndsl.cli.sizes import bound_sizes
    from cnndsl.errors import error
    from cnndsl.passes.specialise import bind_sizes
    from cnndsl.training.scores import input_shape
    from cnndsl.view.field import field_picture, fields

    check_output(output)
    pictures, given = split(words or ())
    if len(pictures) > 1:
        raise error("E770", f"one picture is drawn upon, not {len(pictures)}")
    net = load_model(model, given.only())
    if input:
        net = replace(net, graph=bind_sizes(net.graph, bound_sizes(net.graph, input)))
    shape = input_shape(net)
    found = fields(net.graph, layers or ())
    image = prepared(net, pictures[0]) if pictures else None
    field_picture(shape, image, found, output, net.name if title is None else title)
    told(output)


@plot.command("confusion")
def confusion(
    model: ModelName,
    output: Output,
    arguments: PairList = None,
    data: DataSet = None,
    weights: WeightsFile = None,
    recipe: EvalName = "",
    target: TargetName = "numpy",
    threads: Threads = None,
    title: Title = None,
) -> None:
    """Which classes are taken for which.

    Example: cnndsl plot confusion lenet5 --data digits -o confusion.png
    """
    from cnndsl.training.evaluate import evaluate
    from cnndsl.view.confusion import confusion_picture

    check_output(output)
    net, found, name, given = with_data(model, arguments, weights, data, recipe)
    result = evaluate(net, found.path, given, target=target, threads=threads, recipe=recipe)
    confusion_picture(result.confusion, result.labels, output, f"{net.name} on {name}" if title is None else title)
    told(output)


@plot.command("mistakes")
def mistakes(
    model: ModelName,
    output: Output,
    arguments: PairList = None,
    data: DataSet = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=100, help="How many, at most.")] = 18,
    weights: WeightsFile = None,
    recipe: EvalName = "",
    target: TargetName = "numpy",
    threads: Threads = None,
    title: Title = None,
) -> None:
    """Pictures called wrongly, the surest mistakes first.

    Example: cnndsl plot mistakes lenet5 --data digits -o mistakes.png
    """
    from cnndsl.cli.models import say
    from cnndsl.training.mistakes import mistakes as mistakes_of
    from cnndsl.training.running import Running
    from cnndsl.view.confusion import mistakes_picture

    check_output(output)
    net, found, name, given = with_data(model, arguments, weights, data, recipe)
    result = mistakes_of(net, found.path, given, Running(target, threads), most=count, recipe=recipe)
    if not result.worst:
        say(f"all of {result.count:,} pictures were called rightly: there is nothing to draw")
        return
    shown = "" if len(result.worst) == result.wrong else f", the surest {len(result.worst)}"
    above = f"{net.name} on {name}: {result.wrong:,} of {result.count:,} wrong{shown}"
    mistakes_picture(result.worst, output, above if title is None else title)
    told(output)


@plot.command("surface")
def surface(
    model: ModelName,
    output: Output,
    arguments: Arguments = None,
    data: DataSet = None,
    points: Annotated[int, typer.Option("--points", min=3, max=201, help="Places on each side.")] = 21,
    reach: Annotated[float, typer.Option("--reach", min=0.001, max=100, help="1: as far as the filters are large.")] = 1.0,
    images: Annotated[int, typer.Option("--images", min=1, help="Pictures of the training part, at most.")] = 512,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the two directions.")] = 0,
    weights: WeightsFile = None,
    target: TargetName = "numpy",
    threads: Threads = None,
    title: Title = None,
) -> None:
    """The loss around a network in two random directions.

    Example: cnndsl plot surface lenet5 --data digits -o surface.png
    """
    import sys

    from cnndsl.training.surface import surface as surface_of
    from cnndsl.view.surface import surface_picture

    check_output(output)
    net, found, name, given = with_data(model, arguments, weights, data)

    def dot(_: int) -> None:
        if sys.stderr.isatty():
            print(".", end="", file=sys.stderr, flush=True)

    result = surface_of(
        net, found.path, given, points=points, reach=reach, images=images, seed=seed, target=target,
        threads=threads, on_row=dot,
    )  # fmt: skip
    above = f"{net.name}: loss on {result.images:,} pictures of {name}"
    surface_picture(result.places, result.losses, output, above if title is None else title)
    told(output)


def check_output(path: Path) -> None:
    """Before anything is computed: E770 for a picture of another kind, or a folder that is not there."""
    from cnndsl.errors import error
    from cnndsl.view.plots import FORMATS

    if path.suffix.lower().removeprefix(".") not in FORMATS:
        raise error("E770", f"{path} is no picture that can be written", help="its name ends in .png, .svg or .pdf")
    if path.is_dir() or not path.parent.is_dir():
        raise error("E770", f"{path} is a folder" if path.is_dir() else f"there is no folder {path.parent}")


def with_weights(
    model: str, arguments: list[str] | None, given: Path | None, judged: str | None = None
) -> tuple[Model, Weights]:
    """The model and its weights, told on stderr. judged: the name of the evaluation whose entries may be set."""
    from cnndsl.cli.arguments import pairs
    from cnndsl.cli.evaluate import judged_by
    from cnndsl.cli.models import find_weights, load_model, say
    from cnndsl.runtime.heap import keep_freed_memory

    keep_freed_memory()
    asked = pairs(arguments or ()).only(*["eval"] * (judged is not None))
    net = judged_by(load_model(model, asked), judged or "", asked)
    found = find_weights(net, given, model, asked)
    say(f"weights: {found.path} ({found.found})")
    return net, found


def with_data(
    model: str, arguments: list[str] | None, weights: Path | None, data: str | None, recipe: str | None = None
) -> tuple[Model, Weights, str, Dataset]:
    """The model and its weights, the name of the data to judge it by, and these."""
    from cnndsl.cli.evaluate import data_of
    from cnndsl.data import datasets

    net, found = with_weights(model, arguments, weights, recipe)
    name = data_of(net, data, recipe or "")
    return net, found, name, datasets.open(name)


def prepared(net: Model, picture: str) -> NDArray[Any]:
    """The picture as the network takes it: (H, W, C) float32. Raises E703, E706."""
    from cnndsl.data import pipeline
    from cnndsl.data.images import read_picture
    from cnndsl.training.scores import input_shape

    shape = input_shape(net)
    return pipeline.apply(net.preprocess, [read_picture(Path(picture))], shape)[0]


def told(path: Path) -> None:
    from cnndsl.cli.models import say

    say(f"drawn into {path}")
