"""`cnndsl export MODEL`."""

from __future__ import annotations

from cnndsl.cli.options import ModelName, PairList


def export(model: ModelName, arguments: PairList = None) -> None:
    """To be written."""
    from cnndsl.cli.arguments import pairs
    from cnndsl.cli.models import load_model

    load_model(model, pairs(arguments or ()))
