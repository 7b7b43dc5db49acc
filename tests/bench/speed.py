"""How fast compiled programs are beside PyTorch eager, on equal weights, interleaved in one process, on the same threads.

    python tests/bench/speed.py [resnet50:1 | resnet20:128:train …] [--threads 2] [--rounds 3] [--onnx] [--cpu] [--json FILE]

Needs a Python that has PyTorch as well as cnndsl's dependencies. Prints the processor, the core that NumPy's OpenBLAS
chose, and what a 2048³ product makes in this very run; then for each row our median, PyTorch's in both layouts, ours
divided by the better, and whether that meets the bar for this core. Before anything is timed, both must give the same
numbers. A script, not a test: timings on shared machines are not for pytest. Where others load the machine, two threads
wait for each other most of the time; `--cpu` then compares the processor time of one thread.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from machine import describe  # noqa: E402
from rows import ROWS, Row, Work  # noqa: E402

from cnndsl.runtime.machine import blas_core, vectors  # noqa: E402
from cnndsl.runtime.turns import SPIN, take_turns  # noqa: E402
from tests.tolerances import GRAD32, NETWORK, close  # noqa: E402

LAYOUTS = {"NCHW": False, "channels_last": True}


def inference(work: Work) -> dict[str, Callable[[], Any]]:
    """What to time, by name; their logits agree."""
    want = work.ours(("logits",))(work.images)
    runs: dict[str, Callable[[], Any]] = {}
    ours, out = work.ours(), np.empty((work.row.batch, want.shape[1]), np.float32)
    runs["cnndsl"] = lambda: ours(work.images, out=out)
    for name, last in LAYOUTS.items():
        check = work.theirs(last, ("logits",))
        close(check.outputs(check.given(work.images))[0], want, NETWORK)
        net = work.theirs(last)
        tensors = net.given(work.images)
        runs[name] = lambda net=net, tensors=tensors: net.infer(tensors)  # type: ignore[misc]
    return runs


def training(work: Work) -> dict[str, Callable[[], Any]]:
    """The same for a step: the first loss and the first update agree.

    Where a ReLU's input is nearly 0, rounding decides whether a gradient passes, and two right float32 steps differ by
    more than a thousandth of the largest update (ResNet-18, batch 16, against float64: ours by 6.2e-3, PyTorch by 5.4e-3
    in one layout and 7.9e-3 in the other). So ours may differ by as much as PyTorch's two layouts do from each other.
    """
    import torch

    ours, labels = work.ours(), torch.from_numpy(work.labels.astype(np.int64))
    runs: dict[str, Callable[[], Any]] = {"cnndsl": lambda: ours(work.images, work.labels)}
    loss, start = runs["cnndsl"](), work.weights
    names = [n for n in ours.weights if ours.graph.state[n].kind == "parameter"]
    moved = [{n: ours.weights[n] - start[n] for n in names}]
    for name, last in LAYOUTS.items():
        net = work.theirs(last)
        tensors = net.given(work.images)
        close(net.step(tensors, labels), loss, NETWORK)
        now = net.arrays()
        moved.append({n: now[n] - start[n] for n in names})
        runs[name] = lambda net=net, tensors=tensors: net.step(tensors, labels)  # type: ignore[misc]
    largest = max(np.abs(d).max() for d in moved[1].values())
    spread = max(GRAD32 * largest, apart(moved[1], moved[2]))
    for theirs in moved[1:]:
        assert apart(moved[0], theirs) <= 1.5 * spread, f"the updates differ by {apart(moved[0], theirs) / largest:.1e}"
    return runs


def apart(a: dict[str, Any], b: dict[str, Any]) -> float:
    return float(max(np.abs(a[n] - b[n]).max() for n in a))


def measured(row: Row, given: argparse.Namespace) -> dict[str, Any]:
    threads = given.threads
    work = Work(row, threads)
    runs = training(work) if row.training else inference(work)
    if given.onnx and not row.training:
        from cnndsl.peers.onnx_runtime import OnnxNetwork

        session = OnnxNetwork(work.net, work.weights, batch=row.batch, threads=threads)
        runs["onnxruntime"] = lambda: session.outputs(work.images)
    clock = time.process_time if given.cpu else time.perf_counter
    times = take_turns(runs, given.rounds, clock=clock, settle=SPIN)
    median = {name: 1e3 * statistics.median(t) for name, t in times.items()}
    least = {name: 1e3 * min(t) for name, t in times.items()}
    core = vectors(blas_core())
    ratio = median["cnndsl"] / min(median[x] for x in LAYOUTS)
    return {
        "row": row.name, "median_ms": median, "least_ms": least, "runs": len(times["cnndsl"]), "ratio": ratio,
        "ratio_of_least": least["cnndsl"] / min(least[x] for x in LAYOUTS),
        "bar": row.bar(core), "aim": row.aim, "met": ratio <= row.bar(core),
    }  # fmt: skip


def line(row: Row, found: dict[str, Any]) -> str:
    mid = found["median_ms"]
    other = f", ONNX Runtime {mid['onnxruntime']:.2f}" if "onnxruntime" in mid else ""
    return (
        f"{row!s:<38} {mid['cnndsl']:8.2f} ms  PyTorch {mid['NCHW']:8.2f} NCHW {mid['channels_last']:8.2f} channels_last{other}"
        f"   ratio {found['ratio']:.2f} (of the least {found['ratio_of_least']:.2f})"
        f"   bar {found['bar']:.2f} {'met' if found['met'] else 'MISSED'}, aim {found['aim']:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("rows", nargs="*", default=list(ROWS), help=", ".join(ROWS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3, help="turns of five runs each")
    parser.add_argument("--onnx", action="store_true", help="ONNX Runtime too, where there is inference")
    parser.add_argument("--cpu", action="store_true", help="the processor time of one thread, for loaded machines")
    parser.add_argument("--json", type=Path, help="write what was measured into this file")
    given = parser.parse_args()
    unknown = [name for name in given.rows if name not in ROWS]
    if unknown:
        parser.error(f"there is no row {unknown[0]}; there are {', '.join(ROWS)}")
    import torch

    given.threads = 1 if given.cpu else given.threads
    torch.set_num_threads(given.threads)
    what = "processor time of one thread" if given.cpu else f"{given.threads} threads"
    machine = f"{describe()}; PyTorch {torch.__version__}; {what}"
    print(machine, flush=True)
    found = []
    for name in given.rows:
        found.append(measured(ROWS[name], given))
        print(line(ROWS[name], found[-1]), flush=True)
        gc.collect()
    if given.json:
        given.json.write_text(json.dumps({"machine": machine, "rows": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
