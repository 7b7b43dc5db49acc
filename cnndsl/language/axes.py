"""Inputs whose axes are most likely in the order of another framework: channels, height, width."""

from __future__ import annotations

from typing import Any

from cnndsl.graph.types import drawn

SMALLEST = 16
"""The side of a square from which on it is no number of channels that stands behind 1 or 3 rows by intent."""


def channels_last(shape: tuple[Any, ...]) -> str | None:
    """`224x224x3` for the shape 3x224x224 of one image; None where it looks as it should."""
    if len(shape) != 3 or shape[0] not in (1, 3) or shape[1] != shape[2] or not isinstance(shape[1], int):
        return None
    return drawn((*shape[1:], shape[0])) if shape[1] >= SMALLEST else None
