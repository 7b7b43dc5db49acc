"""What each pass is worth: each network with all passes, then without one of them, in one process and in turns.

    python tests/bench/passes.py [resnet50:1 | lenet5:128:train …] [--threads 2] [--rounds 2] [--markdown]

For each pass that changes the program: how many times longer a run takes without it, how many times more bytes its kernels
read and write, and how many times larger the planned arena is. Below 1 the pass loses. The last line of a network is the
program without any pass but those that a program needs, and how large its arena would be if lifetimes alone ruled: if no
kernel wrote over what it reads. Prints the processor and the run's own matrix-product rate.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from machine import describe  # noqa: E402
from rows import ROWS, Row, Work  # noqa: E402

from cnndsl.graph.graph import SOURCES  # noqa: E402
from cnndsl.passes.pipelines import INFERENCE, TRAINING  # noqa: E402
from cnndsl.program.plan import roots_of  # noqa: E402
from cnndsl.program.program import Program  # noqa: E402
from cnndsl.program.schedule import peak  # noqa: E402
from cnndsl.program.work import moved  # noqa: E402
from cnndsl.runtime.turns import take_turns  # noqa: E402

NEEDED = ("specialise", "inference")


@dataclass(frozen=True)
class Compiled:
    """kernels: of a run; traffic: bytes they read and write; arena: bytes planned; lifetimes: at least so many live at once
    where every kernel writes beside what it reads."""

    source: str
    kernels: int
    traffic: int
    arena: int
    lifetimes: int
    run: Callable[[], Any]


def compiled(work: Work, without: Iterable[str]) -> Compiled:
    found = work.ours(without=without)
    program = (found.executable if work.row.training else found).program
    source = (found.executable if work.row.training else found).source
    given = (work.images, work.labels) if work.row.training else (work.images,)
    out = {} if work.row.training else {"out": np.empty_like(found(work.images))}
    traffic = sum(moved(k) for k in program.run.kernels)
    return Compiled(
        source, len(program.run.kernels), traffic, program.arena_bytes, by_lifetimes(program), lambda: found(*given, **out)
    )


def by_lifetimes(program: Program) -> int:
    """The most bytes that live at once in the order of the program's kernels, none written over another."""
    order = [k.node for k in program.run.kernels]
    roots = roots_of(program.graph)
    reads = {n: {roots[x] for x in n.operands if roots[x].node.op not in SOURCES} for n in order}
    return peak(order, reads, {roots[v] for v in program.graph.results})


def measured(row: Row, threads: int, rounds: int) -> list[tuple[str, Compiled, float]]:
    """(pass left out, the program, seconds of a run); the first: none left out."""
    work = Work(row, threads)
    names = list(dict.fromkeys(p.__name__ for p in (TRAINING if row.training else INFERENCE)))
    names = [n for n in names if n not in NEEDED]
    programs = {"": compiled(work, ())}
    for name in names:
        found = compiled(work, (name,))
        if found.source != programs[""].source:
            programs[name] = found
    programs["all"] = compiled(work, names)
    times: dict[str, list[float]] = {name: [] for name in programs}
    for name in list(programs)[1:]:  # in pairs, so that few programs are in memory's way
        pair = take_turns({"": programs[""].run, name: programs[name].run}, rounds)
        for k, found_times in pair.items():
            times[k] += found_times
    return [(name, program, statistics.median(times[name])) for name, program in programs.items()]


def lines(row: Row, found: list[tuple[str, Compiled, float]], markdown: bool) -> list[str]:
    _, base, seconds = found[0]
    head = (
        str(row),
        "—",
        base.kernels,
        f"{1e3 * seconds:.1f} ms",
        f"{base.traffic / 1e6:.1f} MB",
        f"{base.arena / 1e6:.2f} MB",
    )
    rows: list[tuple[Any, ...]] = [head]
    for name, program, taken in found[1:]:
        ratios = (taken / seconds, program.traffic / base.traffic, program.arena / base.arena)
        rows.append(("", name, program.kernels, *(f"{x:.2f}" for x in ratios)))
    last = found[-1][1]
    rows.append(("", "all, by lifetimes", last.kernels, "", "", f"{last.lifetimes / base.arena:.2f}"))
    if markdown:
        return ["| " + " | ".join(map(str, r)) + " |" for r in rows]
    return [f"{r[0]:<34} {r[1]:<24} {r[2]:>7} {r[3]:>12} {r[4]:>12} {r[5]:>12}" for r in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("rows", nargs="*", default=list(ROWS), help=", ".join(ROWS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2, help="turns of five runs each")
    parser.add_argument("--markdown", action="store_true", help="a table for a document")
    given = parser.parse_args()
    print(describe(), f"{given.threads} threads", sep="; ", flush=True)
    title = ("network", "without", "kernels", "time", "bytes moved", "arena")
    if given.markdown:
        print("| " + " | ".join(title) + " |\n|" + " --- |" * len(title), flush=True)
    else:
        print(f"{title[0]:<34} {title[1]:<24} {title[2]:>7} {title[3]:>12} {title[4]:>12} {title[5]:>12}", flush=True)
    for name in given.rows:
        for text in lines(ROWS[name], measured(ROWS[name], given.threads, given.rounds), given.markdown):
            print(text, flush=True)
        gc.collect()


if __name__ == "__main__":
    main()
