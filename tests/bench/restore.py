"""A step of deep image prior beside the same step in PyTorch: the bundled hourglass, mse, Adam, one picture.

    python tests/bench/restore.py [--size 128] [--threads 2] [--rounds 3] [--cpu] [--json FILE]

Needs a Python that has PyTorch as well as cnndsl's dependencies. Both sides have equal weights and run the same graph
(`cnndsl/peers/`); the first loss and the first update agree before anything is timed. PyTorch is taken in the better of
its two layouts. A step is what `cnndsl restore` does each time: fresh noise onto the input, forward, backward, update,
and the moving average of the outputs, in NumPy on both sides. Bar: 1.5 times PyTorch's time.
Where others load the machine, `--cpu` compares the processor time of one thread.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812  (its name everywhere)

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from machine import describe  # noqa: E402

import cnndsl  # noqa: E402
from cnndsl.language.recipe import TrainRecipe  # noqa: E402
from cnndsl.passes.context import Options  # noqa: E402
from cnndsl.peers.torch_graph import TorchNetwork, torch_optimizer  # noqa: E402
from cnndsl.runtime.turns import take_turns  # noqa: E402
from cnndsl.training.step import compile_step  # noqa: E402
from tests.tolerances import NETWORK, close  # noqa: E402

LAYOUTS = {"NCHW": False, "channels_last": True}
BAR = 1.5
JITTER, AVERAGE = 1 / 30, 0.99


class Work:
    """The hourglass for pictures of size x size, its initial weights, a picture, the still input."""

    def __init__(self, size: int, threads: int) -> None:
        self.size, self.threads = size, threads
        self.net = cnndsl.load("hourglass")
        self.weights = self.net.initial_weights(seed=0)
        rng = np.random.default_rng(0)
        self.image = rng.random((1, size, size, 3), dtype=np.float32)
        self.still = rng.random((1, size, size, 32), dtype=np.float32) / 10
        self.task = self.net.tasks["denoise"].entries
        self.sizes = {"H": size, "W": size}
        self.rng = rng

    def fresh(self) -> Any:
        return self.still + np.float32(JITTER) * self.rng.standard_normal(self.still.shape, dtype=np.float32)

    def ours(self) -> Any:
        recipe = TrainRecipe(loss=self.task["loss"], optimizer=self.task["optimizer"])
        return compile_step(
            self.net, self.weights, recipe=recipe, batch=1, threads=self.threads, outputs=("output",), sizes=self.sizes
        )


class Theirs:
    """The same in PyTorch."""

    def __init__(self, work: Work, channels_last: bool) -> None:
        options = Options(batch=1, training=True, sizes=work.sizes)
        self.net = TorchNetwork(work.net.graph, work.weights, options, channels_last=channels_last)
        (self.image,) = self.net.given(work.image)
        mine = [x for x in self.net.weights.values() if x.requires_grad]
        self.optimizer = torch_optimizer(torch, mine, work.task["optimizer"])

    def step(self, z: Any) -> tuple[float, Any]:
        self.optimizer.zero_grad()
        (out,) = self.net.run(self.net.given(z))
        loss = F.mse_loss(out, self.image)
        loss.backward()
        self.optimizer.step()
        return loss.item(), out.detach().movedim(1, -1).numpy()

    def gradients(self) -> dict[str, Any]:
        """|gradient| of the last step, in our order."""
        grads = {n: x.grad.numpy() for n, x in self.net.weights.items() if x.grad is not None}
        return {n: np.abs(self.net.orders[n][1](g) if n in self.net.orders else g) for n, g in grads.items()}


def runs(work: Work) -> dict[str, Callable[[], Any]]:
    """What to time, by name."""
    ours = work.ours()
    steps: dict[str, Callable[[Any], tuple[float, Any]]] = {
        "cnndsl": lambda z: ours.run({"image": work.image, "z": z}, None, ours.rate)
    }
    z = work.fresh()
    want, out = steps["cnndsl"](z)
    out = out.copy()
    parameters = [n for n, state in ours.graph.state.items() if state.kind == "parameter"]
    now, sizes = [{n: ours.weights[n] for n in parameters}], {}
    for name, last in LAYOUTS.items():
        theirs = Theirs(work, last)
        loss, picture = theirs.step(z)
        close(loss, want, NETWORK)
        close(picture, out, NETWORK)
        now.append(theirs.net.arrays())
        sizes = theirs.gradients()
        steps[name] = theirs.step
    # Adam's first update is the rate times the gradient's sign, which is rounding where the gradient is, as of a bias before
    # a batch norm. So ours may differ from PyTorch's at numbers as large as those at which its two layouts differ.
    largest = max(g.max() for g in sizes.values())

    def apart(a: dict[str, Any], b: dict[str, Any]) -> float:
        """The largest gradient whose update differs, of the largest of all."""
        rate = work.task["optimizer"].rate
        return max(float(sizes[n][np.abs(a[n] - b[n]) > 0.1 * rate].max(initial=0.0)) for n in parameters) / float(largest)

    spread = max(apart(now[1], now[2]), 1e-4)
    for theirs_now in now[1:]:
        assert apart(now[0], theirs_now) <= 2 * spread, f"updates differ: {apart(now[0], theirs_now):.1e}, {spread:.1e}"
    mean = np.zeros(work.image.shape[1:], np.float64)

    def whole(step: Callable[[Any], tuple[float, Any]]) -> Callable[[], None]:
        def run() -> None:
            nonlocal mean
            _, out = step(work.fresh())
            mean = AVERAGE * mean + (1 - AVERAGE) * out[0]

        return run

    return {name: whole(step) for name, step in steps.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=128, help="pixels a side, a multiple of 32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3, help="turns of five steps each")
    parser.add_argument("--cpu", action="store_true", help="the processor time of one thread, for loaded machines")
    parser.add_argument("--json", type=Path, help="write what was measured into this file")
    given = parser.parse_args()
    given.threads = 1 if given.cpu else given.threads
    torch.set_num_threads(given.threads)
    what = "processor time of one thread" if given.cpu else f"{given.threads} threads"
    print(f"{describe()}; PyTorch {torch.__version__}; {what}", flush=True)
    times = take_turns(
        runs(Work(given.size, given.threads)), given.rounds, clock=time.process_time if given.cpu else time.perf_counter
    )
    median = {name: 1e3 * statistics.median(t) for name, t in times.items()}
    ratio = median["cnndsl"] / min(median[x] for x in LAYOUTS)
    print(
        f"hourglass, {given.size}x{given.size}, a step: {median['cnndsl']:.1f} ms  PyTorch {median['NCHW']:.1f} NCHW"
        f" {median['channels_last']:.1f} channels_last   ratio {ratio:.2f}   bar {BAR} {'met' if ratio <= BAR else 'MISSED'}"
    )
    if given.json:
        given.json.write_text(json.dumps({"median_ms": median, "ratio": ratio, "bar": BAR}, indent=2) + "\n")


if __name__ == "__main__":
    main()
