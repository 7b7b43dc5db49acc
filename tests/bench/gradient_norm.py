"""What it costs to measure the gradient's length at each step: the step with it beside the step without.

    python tests/bench/gradient_norm.py [lenet5:128 resnet20:128 …] [--threads 2] [--rounds 5] [--cpu]

Rows are those of `rows.py` that train, by name. Above 1 % it is not measured unless it is asked for.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from machine import describe  # noqa: E402
from rows import LOSS, ROWS, SGD, Work  # noqa: E402

from cnndsl.runtime.turns import take_turns  # noqa: E402
from cnndsl.training.step import compile_step  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("rows", nargs="*", default=[name for name, row in ROWS.items() if row.training])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="turns of five runs each")
    parser.add_argument("--cpu", action="store_true", help="the processor time of one thread, for loaded machines")
    given = parser.parse_args()
    threads = 1 if given.cpu else given.threads
    print(describe(), flush=True)
    for name in given.rows:
        work = Work(ROWS[name], threads)

        def step(norm: bool, work: Work = work) -> Any:
            made = compile_step(
                work.net, work.weights, loss=LOSS, optimizer=SGD, batch=work.row.batch, threads=threads, norm=norm
            )
            return lambda: made(work.images, work.labels)

        runs = {"without": step(False), "with": step(True)}
        times = take_turns(runs, given.rounds, clock=time.process_time if given.cpu else time.perf_counter)
        median = {what: 1e3 * statistics.median(t) for what, t in times.items()}
        print(f"{work.row!s:<38} {median['without']:8.2f} ms, with the gradient's length {median['with']:8.2f}:"
              f" {100 * (median['with'] / median['without'] - 1):+.1f} %", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
