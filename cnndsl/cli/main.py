"""`cnndsl`: the overview, the version, the commands, and the one place where a failure becomes text and an exit code.

Exit codes: 0, 1 for an error of the user's making (or of ours, E799), 2 for wrong usage. Commands import what they
need when they run: typer alone takes 0.06 s, which every start pays.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cnndsl.cli import (
    bench,
    catalogue,
    check,
    compile,
    data,
    doctor,
    evaluate,
    explain,
    export,
    failure,
    fmt,
    import_,
    new,
    ops,
    plot,
    restore,
    run,
    show,
    train,
    tune,
)
from cnndsl.version import __version__

OVERVIEW = """\
cnndsl {version}: convolutional networks as text, compiled.
A .cnn file describes a network the way its paper draws it, and the recipe that trains it. From that page cnndsl
checks every shape, trains the network, and writes it as one readable file that needs only NumPy.

  cnndsl run    lenet5 digit.png    what is in a picture, with weights that came along
  cnndsl new    mynet               a small network file of your own, with comments
  cnndsl check  mynet.cnn           errors and warnings, with their places and mends
  cnndsl show   mynet.cnn           layers, shapes, parameters, multiply-adds, receptive fields
  cnndsl train  mynet.cnn           train it on its data; curve and weights go to runs/

Also: {others}.
A model is a file (net.cnn), one model of a file (net.cnn:name), or a name that cnndsl models lists.
Arguments and recipes are set with key=value:  cnndsl train lenet5 classes=10 train.epochs=2
More on a command:  cnndsl COMMAND --help
"""
BEGIN = ("run", "new", "check", "show", "train")

app = typer.Typer(
    name="cnndsl",
    help="Convolutional networks as text, compiled.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("check")(check.check)
app.command("show")(show.show)
app.command("train")(train.train)
app.command("eval")(evaluate.evaluate)
app.command("run")(run.run)
app.command("restore")(restore.restore)
app.command("compile")(compile.compile)
app.command("export")(export.export)
app.command("bench")(bench.bench)
app.command("tune")(tune.tune)
app.command("data")(data.data)
app.command("new")(new.new)
app.command("fmt")(fmt.fmt)
app.command("import")(import_.import_)
app.command("models")(catalogue.models)
app.command("ops")(ops.ops)
app.command("explain")(explain.explain)
app.command("doctor")(doctor.doctor)
app.add_typer(plot.plot, name="plot")  # said here too: `overview` lists what is registered


def _version(wanted: bool) -> None:
    if wanted:
        print(f"cnndsl {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def overview(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Convolutional networks as text, compiled."""
    if context.invoked_subcommand is None:
        named = [c.name for c in app.registered_commands] + [group.name for group in app.registered_groups]
        others = ", ".join(sorted(str(name) for name in named if name and name not in BEGIN))
        print(OVERVIEW.format(version=__version__, others=others), end="")


def main() -> None:
    """The entry point: runs the command, prints what failed on stderr, sets the exit code."""
    try:
        app(prog_name="cnndsl")
    except Exception as e:
        sys.exit(failure.report(e, as_json="--json" in sys.argv))


if __name__ == "__main__":
    main()
