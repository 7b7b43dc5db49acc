"""`cnndsl show MODEL`: the table of layers."""

from __future__ import annotations

from cnndsl.cli.options import Json, ModelName, PairList


def show(model: ModelName, arguments: PairList = None, as_json: Json = False) -> None:
    """Print a model's layers: shapes, parameters, multiply-adds, receptive fields."""
    import json

    from cnndsl.cli.arguments import pairs
    from cnndsl.cli.models import load_model
    from cnndsl.view.summary import summary

    found = summary(load_model(model, pairs(arguments or ()).only()))
    print(json.dumps(found.as_dict(), indent=2) if as_json else found.table())
