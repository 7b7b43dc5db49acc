"""`cnndsl eval MODEL`: how good a trained network is."""

from __future__ import annotations

from cnndsl.cli.options import ModelName, PairList


def evaluate(model: ModelName, arguments: PairList = None) -> None:
    """Loss, accuracy and confusion matrix on held-back data."""
    from cnndsl.cli.arguments import pairs
    from cnndsl.cli.models import load_model

    load_model(model, pairs(arguments or ()))
