"""How fast compiled programs are beside PyTorch eager, interleaved in one process, on the same threads.

    python tests/bench/speed.py [lenet5 | resnet20 | resnet18 …] [--threads 2] [--rounds 5]

Needs a Python that has PyTorch as well as cnndsl's dependencies. Prints the processor, NumPy's BLAS and what a 2048³
product makes in this very run; then for each workload our median, PyTorch's (the better of its two layouts) and
their ratio. A script, not a test: timings on shared machines are not for pytest.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from networks import lenet5, resnet18, resnet20, torch_twin  # noqa: E402

from cnndsl.language.recipe import Sgd  # noqa: E402
from cnndsl.runtime.compile import compile  # noqa: E402
from cnndsl.training.step import compile_step  # noqa: E402

# Turns are bursts, the first two runs of each not counted: the other's OpenMP threads spin on after its turn, and on
# two cores they would be timed as ours (LeNet-5's step: 5 ms in a burst, 9 ms in single alternation).
BURST = 5
WORKLOADS = {"lenet5": (lenet5, 128, True), "resnet20": (resnet20, 128, True), "resnet18": (resnet18, 1, False)}


def processor() -> str:
    try:
        return next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    except (OSError, StopIteration):
        return "unknown processor"


def product_rate() -> float:
    """GFLOP/s of a 2048³ float32 product, the best of five."""
    a, b, c = (np.ones((2048, 2048), np.float32) for _ in range(3))
    best = min(timed(lambda: np.matmul(a, b, out=c)) for _ in range(5))
    return 2 * 2048**3 / best / 1e9


def timed(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def ours(name: str, threads: int) -> Callable[[], Any]:
    make, batch, training = WORKLOADS[name]
    graph, rng = make(), np.random.default_rng(0)
    images = rng.standard_normal((batch, *graph.inputs["image"].type.shape[1:])).astype(np.float32)
    if training:
        labels = rng.integers(0, 10, batch).astype(np.int32)
        step = compile_step(graph, loss="cross_entropy(logits)", optimizer=Sgd(0.01, 0.9), batch=batch, threads=threads)
        return lambda: step(images, labels)
    run = compile(graph, graph.initial_weights(0), batch=batch, threads=threads)
    return lambda: run(images)


def theirs(name: str, channels_last: bool) -> Callable[[], Any]:
    import torch

    make, batch, training = WORKLOADS[name]
    shape = make().inputs["image"].type.shape[1:]
    net, x = torch_twin(name), torch.randn(batch, shape[2], shape[0], shape[1])
    if channels_last:
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    if not training:
        net.eval()

        def infer() -> Any:
            with torch.inference_mode():
                return net(x).softmax(1)

        return infer
    labels = torch.randint(0, 10, (batch,))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

    def step() -> float:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(x), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", default=list(WORKLOADS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    import torch

    torch.set_num_threads(given.threads)
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    print(f"{processor()}; NumPy {np.__version__} on {blas['name']} {blas['version']}; PyTorch {torch.__version__}")
    print(f"2048³ float32 product: {product_rate():.0f} GFLOP/s; {given.threads} threads")
    for name in given.names:
        _, batch, training = WORKLOADS[name]
        runs = {"cnndsl": ours(name, given.threads), "NCHW": theirs(name, False), "channels_last": theirs(name, True)}
        times: dict[str, list[float]] = {key: [] for key in runs}
        for _ in range(given.rounds):
            for key, run in runs.items():
                timed(run), timed(run)
                times[key] += [timed(run) for _ in range(BURST)]
        mid = {key: statistics.median(t) * 1e3 for key, t in times.items()}
        best = min(mid["NCHW"], mid["channels_last"])
        what = "training step" if training else "inference"
        print(
            f"{name} {what}, batch {batch}: {mid['cnndsl']:.2f} ms; PyTorch {mid['NCHW']:.2f} (NCHW), "
            f"{mid['channels_last']:.2f} (channels_last); ratio {mid['cnndsl'] / best:.2f}"
        )


if __name__ == "__main__":
    main()
