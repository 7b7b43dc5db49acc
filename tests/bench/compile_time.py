"""How long compiling takes, from `load` to something to call: `python tests/bench/compile_time.py`.

Imports done, `prepare` left out, median of 5. Prints the processor and the run's own matrix-product rate, as every
benchmark here does, because processors differ from day to day.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from machine import describe

from cnndsl.language.load import load
from cnndsl.language.recipe import Sgd, parse_loss
from cnndsl.passes.context import Options
from cnndsl.runtime.compile import default_threads, lower
from cnndsl.runtime.load import load_source
from cnndsl.training.step import build_step

BARS = {"lenet5": (128, 0.2), "resnet20": (128, 0.5), "resnet50": (8, 1.5)}


def training(name: str, batch: int) -> None:
    model = load(name)
    graph = build_step(model, parse_loss("cross_entropy(logits)"), Sgd(rate=0.1, momentum=0.9), batch)
    options = Options(batch=batch, training=True, workers=default_threads())
    program, source, _ = lower(graph, target="numpy", options=options)
    load_source(source, program.name)


def inference(name: str) -> None:
    program, source, _ = lower(load(name).graph, target="numpy", options=Options(batch=1, workers=default_threads()))
    load_source(source, program.name)


def median(work: Callable[[], None], times: int = 5) -> float:
    work()  # imports
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


if __name__ == "__main__":
    print(describe())
    for name, (batch, bar) in BARS.items():
        step = median(lambda n=name, b=batch: training(n, b))  # type: ignore[misc]
        print(f"{name:9} training step {step:6.3f} s (bar {bar} s)   inference {median(lambda n=name: inference(n)):6.3f} s")  # type: ignore[misc]
