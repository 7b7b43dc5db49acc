"""Weights to begin a training with: those of a file, but for what begins anew (a new head on a trained network)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cnndsl.errors import CnnError
from cnndsl.language.frozen import names_under
from cnndsl.runtime.safetensors import read_weights
from cnndsl.runtime.weights import fitting

if TYPE_CHECKING:
    from cnndsl.language.model import Model


def starting_weights(
    model: Model, given: Mapping[str, Any] | str | os.PathLike[str] | None, reset: Sequence[str], seed: int
) -> dict[str, Any]:
    """name → array: from `given`, and drawn by `seed` at or under the paths of `reset` (all of them, where None is given).

    What `given` has for those does not matter: it may have other shapes, or be missing. Raises E404 for a path without
    weights, E501, E502 for a file, E504 where the rest does not fit.
    """
    drawn = model.initial_weights(seed)
    anew = names_under(model.graph, reset, what="--reset")
    if given is None:
        return drawn
    found = dict(given) if isinstance(given, Mapping) else read_weights(given)
    found = {n: x for n, x in found.items() if n not in anew} | {n: drawn[n] for n in anew}
    try:
        return dict(fitting(model.name, model.graph.state, found))
    except CnnError as e:
        hint = "what is to begin anew is named by --reset PATH, such as the last layer of a network for other classes"
        raise CnnError(replace(d, help=d.help or hint) for d in e.diagnostics) from None
