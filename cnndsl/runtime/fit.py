"""A bound on memory: how it is written, what counts, and the least recomputation that fits it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from cnndsl.errors import briefly, error, in_words, size
from cnndsl.program.program import Program

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
DEGREES = (1.0, 2.0, 3.0, 5.0)
"""Of recomputation, in the order in which they are tried when nothing less fits (`passes/recompute.py`)."""

T = TypeVar("T")


def parse_bytes(text: str | int) -> int:
    """`2GB`, `512MiB` or a number of bytes. Raises E606."""
    match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,6})?)\s*([A-Za-z]*)\s*", in_words(text))
    if match is None or match[2].upper() not in UNITS:
        raise error("E606", f"{briefly(text)} is no amount of memory", help="it looks like 2GB, 512MB or 512MiB")
    found = int(float(match[1]) * UNITS[match[2].upper()])
    if found < 1:
        raise error("E606", "a bound on memory is at least one byte")
    return found


def needed(program: Program) -> int:
    """Bytes of a run: weights and other state, prepared weights, the arena, and every worker's scratch."""
    state = sum(b.nbytes for b in program.state.values())
    return state + program.prepared_bytes + program.arena_bytes + program.workers * program.scratch_bytes


def least(build: Callable[[float], T], program: Callable[[T], Program], most: int, training: bool) -> T:
    """What `build(degree)` gives for the least degree of recomputation whose program needs at most `most` bytes.

    Raises E605 with what is lacking where none fits; inference keeps nothing that could be made again.
    """
    built = build(0.0)
    if needed(program(built)) <= most:
        return built
    smallest = needed(program(built))
    for degree in DEGREES if training else ():
        tried = build(degree)
        smallest = min(smallest, needed(program(tried)))
        if needed(program(tried)) <= most:
            return _less(build, program, most, tried) if degree == DEGREES[0] else tried
    lacking = smallest - most
    raise error(
        "E605",
        f"{program(built).name} needs {size(smallest)} at the least, {size(lacking)} more than the {size(most)} it may have",
        help="take a smaller batch, or smaller images",
    )


def _less(build: Callable[[float], T], program: Callable[[T], Program], most: int, found: T) -> T:
    """The least of a quarter, a half, three quarters of what is cheap that fits."""
    for degree in (0.25, 0.5, 0.75):
        built = build(degree)
        if needed(program(built)) <= most:
            return built
    return found
