"""`cnndsl plot WHAT …`: pictures of a network, of what it sees, and of how it was trained. One word for each picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnndsl.cli.options import ModelName, PairList, WeightsFile

if TYPE_CHECKING:
    from cnndsl.cli.models import Weights
    from cnndsl.language.model import Model
    from cnndsl.training.records import Row

Output = Annotated[Path, typer.Option("--output", "-o", help="The picture to write: .png, .svg or .pdf.", show_default=False)]
Title = Annotated[str | None, typer.Option("--title", help="What stands above it.", show_default=False)]

plot = typer.Typer(
    name="plot",
    help="Draw filters, maps, curves, confusions, mistakes and receptive fields.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@plot.command("filters")
def filters(
    model: ModelName,
    output: Output,
    arguments: PairList = None,
    layer: Annotated[str, typer.Option("--layer", "-l", help="A convolution's path; else the first.", show_default=False)] = "",
    weights: WeightsFile = None,
    title: Title = None,
) -> None:
    """The filters of a convolution, as pictures: cnndsl plot filters lenet5 -o filters.png"""
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
    runs: Annotated[list[str], typer.Argument(help="Folders of runs, or models (their newest run); NAME=FOLDER names a line.")],
    output: Output,
    title: Title = None,
) -> None:
    """Loss and accuracy of one or several runs: cnndsl plot curves ReLU=runs/a/1 tanh=runs/b/1 -o curves.png"""
    from cnndsl.errors import error
    from cnndsl.view.curves import MOST, curves_picture

    check_output(output)
    if len(runs) > MOST:
        raise error("E770", f"{len(runs)} runs are too many for one picture: {MOST} colours can be told apart")
    curves_picture(histories(runs), output, title or "")
    told(output)


def histories(words: list[str]) -> dict[str, list[Row]]:
    """Name → epochs, for each word: `NAME=RUN` or `RUN`, a run's folder, its log.csv, or a model with a run here."""
    from cnndsl.errors import error
    from cnndsl.training.curves import read_csv

    found: dict[str, list[Row]] = {}
    given = [("", x) if Path(x).exists() or "=" not in x else tuple(x.split("=", 1)) for x in words]
    logs = [(name, log_of(run)) for name, run in given]
    models = [log.parent.parent.name for name, log in logs if not name]
    for name, log in logs:
        model, number = log.absolute().parent.parent.name, log.absolute().parent.name
        label = name or (model if models.count(log.parent.parent.name) == 1 else f"{model} {number}")
        if label in found:
            raise error("E770", f"two lines have one name: {label}", help="name them: ReLU=runs/a/1 tanh=runs/b/1")
        found[label] = read_csv(log)
    return found


def log_of(run: str) -> Path:
    """Where the log.csv of that run is. E770 where there is none."""
    from cnndsl.errors import error
    from cnndsl.training.checkpoint import latest_run

    path = Path(run)
    if path.is_file():
        return path
    folder: Path | None = path
    if not path.is_dir():
        folder = latest_run(Path(run.rpartition(":")[2]).stem)
        if folder is None:
            raise error("E770", f"there is no run {run}", help="name its folder, as runs/lenet5/1, or a model trained here")
    assert folder is not None
    if not (folder / "log.csv").is_file():
        raise error("E770", f"{folder} holds no log.csv", help="cnndsl train leaves one in runs/MODEL/NUMBER")
    return folder / "log.csv"


def check_output(path: Path) -> None:
    """Before anything is computed: E770 for a picture of another kind, or a folder that is not there."""
    from cnndsl.errors import error
    from cnndsl.view.plots import formats

    if path.suffix.lower().removeprefix(".") not in formats():
        raise error("E770", f"{path} is no picture that can be written", help="its name ends in .png, .svg or .pdf")
    if path.is_dir() or not path.parent.is_dir():
        raise error("E770", f"{path} is a folder" if path.is_dir() else f"there is no folder {path.parent}")


def with_weights(model: str, arguments: list[str] | None, given: Path | None) -> tuple[Model, Weights]:
    """The model and its weights, told on stderr."""
    from cnndsl.cli.arguments import pairs
    from cnndsl.cli.models import find_weights, load_model, say

    net = load_model(model, pairs(arguments or ()).only())
    found = find_weights(net, given, model)
    say(f"weights: {found.path} ({found.found})")
    return net, found


def told(path: Path) -> None:
    from cnndsl.cli.models import say

    say(f"drawn into {path}")
