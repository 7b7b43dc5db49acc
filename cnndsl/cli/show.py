"""`cnndsl show MODEL`: the table of layers, or the network as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cnndsl.cli.options import InputSizes, Json, ModelName, PairList

Depth = Annotated[int | None, typer.Option("--depth", min=0, help="How deep blocks are unfolded; else what a screen holds.")]
Drawing = Annotated[Path | None, typer.Option("--svg", help="Draw the network into this file instead; - is stdout.")]

Columns = Annotated[
    int | None, typer.Option("--columns", min=1, help="Columns of the picture at most; else what a slide holds.")
]


def show(
    model: ModelName,
    arguments: PairList = None,
    input: InputSizes = None,
    depth: Depth = None,
    drawing: Drawing = None,
    columns: Columns = None,
    as_json: Json = False,
) -> None:
    """Print a model's layers: shapes, parameters, multiply-adds, receptive fields. Or draw it: --svg."""
    import json

    from cnndsl.cli.arguments import pairs
    from cnndsl.cli.models import load_model, say
    from cnndsl.cli.sizes import asking, bound_sizes
    from cnndsl.errors import error
    from cnndsl.passes.specialise import bind_sizes

    if as_json and (drawing is not None or depth is not None):
        raise error("E770", "--json tells everything: it goes without --svg and --depth")
    if columns is not None and drawing is None:
        raise error("E770", "--columns is for a picture", help="--svg FILE draws one")
    found = load_model(model, pairs(arguments or ()).only())
    graph = bind_sizes(found.graph, bound_sizes(found.graph, input)) if input else found.graph
    if drawing is None:
        from cnndsl.view.summary import graph_summary

        told = graph_summary(graph, found.name)
        print(json.dumps(told.as_dict(), indent=2) if as_json else told.table(depth))
        if not as_json and told.activation_bytes is None:
            say(f"in numbers, for one size: cnndsl show {model} {asking(graph)}")
        return
    from cnndsl.view.svg import svg
    from cnndsl.whole import write_whole

    text = svg(graph, depth, columns)
    if str(drawing) == "-":
        print(text, end="")
        return
    write_whole(drawing, text)
    say(f"drawn into {drawing}")
