"""Timing several programs fairly in one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

BURST = 5
WARM = 2  # runs of each turn that are not counted
SPIN = 0.3  # seconds: so long threads that wait for the next product or loop may spin (OpenMP's 0.2, OpenBLAS's 0.1)


def take_turns(
    runs: Mapping[str, Callable[[], Any]],
    rounds: int,
    burst: int = BURST,
    warm: int = WARM,
    clock: Callable[[], float] = time.perf_counter,
    settle: float = 0.0,
) -> dict[str, list[float]]:
    """Seconds of each call, by name: in every round each has a turn of `warm` uncounted and `burst` counted calls.

    Turns, because a machine's speed drifts. Bursts, because threads of the one before spin on after its turn (OpenMP's,
    for 0.2 s by default), and on two cores their time would fall on whoever comes next: LeNet-5's step takes 5 ms in a
    burst and 9 ms in single alternation with PyTorch. settle: seconds that a turn's uncounted calls take at least; with
    `SPIN`, nobody's counted calls fall into another's spinning.
    """
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = clock()
            for _ in range(warm):
                run()
            while clock() - start < settle:
                run()
            for _ in range(burst):
                began = clock()
                run()
                found[name].append(clock() - began)
    return found
