"""The target's constants for a case: small blocks and random costs, so that tiny arrays meet every loop and algorithm."""

from __future__ import annotations

import functools
import inspect
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cnndsl.passes import choose_layout as layout
from cnndsl.passes import recompute
from cnndsl.program import regions
from cnndsl.targets.numpy import cost, layouts

SMALL = {"CACHE": (600, 2000, 6000), "TILE": (30, 100, 400), "LONGEST_ROW": (20, 16000), "CALLS": (0.0, 15000.0)}
"""Of `cost`, where it has them: bytes of a block, numbers of a tile, the longest row of constants, what a block of Winograd's
tiles costs besides."""


@contextmanager
def settings(seed: int) -> Iterator[None]:
    """Inside, `cost` and the thresholds for sharing work are those of `seed`; 0: as they are, but every batch is cut."""
    draw = random.Random(seed)
    changes: list[tuple[Any, str, Any]] = [(regions, "FORK_SECONDS", -1.0 if seed % 4 else regions.FORK_SECONDS)]
    if seed:
        changes += [(layout, "LANES", draw.choice(((2,), (3, 2), (4, 2)))), (layout, "LEAST", 0.0)]
        changes += _small(draw)
        if draw.random() < 0.7:
            changes += _random_costs(draw.randrange(1 << 30))
        changes += [(recompute, "SMALL", draw.choice((1, 300))), (layouts, "TURNED", draw.choice((0.0, layouts.TURNED)))]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in changes]
    for owner, name, value in changes:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


def _small(draw: random.Random) -> list[tuple[Any, str, Any]]:
    """Constants, also where they are the default of a parameter."""
    changes: list[tuple[Any, str, Any]] = []
    values = {name: draw.choice(choices) for name, choices in SMALL.items() if hasattr(cost, name)}
    old = {getattr(cost, name): name for name in values}
    changes += [(cost, name, x) for name, x in values.items()]
    for f in _functions():
        defaults = f.__defaults__ or ()
        if any(x in old for x in defaults):
            changes.append((f, "__defaults__", tuple(values[old[x]] if x in old else x for x in defaults)))
    return changes


def _random_costs(salt: int) -> list[tuple[Any, str, Any]]:
    """Every estimate of time by a factor of its own, the same for the same arguments."""
    timed = [f for f in _functions() if inspect.signature(f).return_annotation in (float, "float")]
    tiles, cheaper = cost.winograd, 10.0 ** random.Random(salt).uniform(-3, 1)

    def winograd(*args: Any) -> tuple[float, tuple[int, int]]:
        nanoseconds, block = tiles(*args)
        return nanoseconds * cheaper, block

    return [*((cost, f.__name__, _scaled(f, salt)) for f in timed), (cost, "winograd", winograd)]


def _scaled(f: Callable[..., float], salt: int) -> Callable[..., float]:
    @functools.wraps(f)
    def scaled(*args: Any, **keys: Any) -> float:
        draw = random.Random(f"{salt} {f.__name__} {args!r} {sorted(keys.items())!r}")
        return f(*args, **keys) * float(10.0 ** draw.uniform(-1, 1))

    return scaled


def _functions() -> list[Any]:
    return [f for f in vars(cost).values() if inspect.isfunction(f) and f.__module__ == cost.__name__]
