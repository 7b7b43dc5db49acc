"""Peak memory of a compiled model against its plan, and beside PyTorch: `python tests/bench/memory.py [ROW …] [--json FILE]`.

Rows are those of `rows.py`. Each program runs in a fresh process. Idle: resident after one 64×64 product and the imports, also
those that come only when a network is compiled. Peak: VmHWM after ten runs. The bound: state that runs read + prepared + arena
+ scratch + the caller's own arrays (images, output) + 32 MB. The weights come from a file on both sides, array by array, so
that neither has them twice. PyTorch is measured in both layouts; the smaller is told.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import pkgutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

import cnndsl.language  # noqa: E402
import cnndsl.passes  # noqa: E402
import cnndsl.program  # noqa: E402
import cnndsl.runtime  # noqa: E402
import cnndsl.targets.numpy  # noqa: E402
import cnndsl.training  # noqa: E402

SLACK = 32 << 20
RUNS = 10
LAYOUTS = ("NCHW", "channels_last")


def status(key: str) -> int:
    """VmRSS or VmHWM of this process, in bytes."""
    with open("/proc/self/status", encoding="utf-8") as file:
        return next(int(x.split()[1]) for x in file if x.startswith(key)) * 1024


def ours(name: str, threads: int, weights: Path) -> dict[str, int]:
    """In a process of its own."""
    import numpy as np
    from rows import ROWS, Work

    for package in (cnndsl.language, cnndsl.passes, cnndsl.program, cnndsl.targets.numpy, cnndsl.runtime, cnndsl.training):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(found.name)
    import networkx  # noqa: F401  (imported when layouts are chosen)

    a = np.ones((64, 64), np.float32)
    a @ a
    idle = status("VmRSS")
    work = Work(ROWS[name], threads, weights)
    run = work.ours()
    own = work.images.nbytes
    for _ in range(RUNS):
        out = run(work.images, work.labels) if work.row.training else run(work.images)
    own += 0 if work.row.training else out.nbytes
    found = run.executable if work.row.training else run
    p = found.program
    arena = int(found.module.ARENA_BYTES)  # every worker's scratch is in it
    plan = sum(p.state[name].nbytes for name in found.module.KEPT) + int(found.module.PREPARED_BYTES) + arena
    return {"used": status("VmHWM") - idle, "bound": plan + own + SLACK}


def theirs(name: str, threads: int, layout: str, weights: Path) -> dict[str, int]:
    """In a process of its own."""
    import torch
    from rows import ROWS, Work

    torch.set_num_threads(threads)
    a = torch.ones((64, 64))
    a @ a
    idle = status("VmRSS")
    work = Work(ROWS[name], threads, weights)
    net = work.theirs(layout == "channels_last")
    tensors = net.given(work.images)
    labels = torch.from_numpy(work.labels).long()
    for _ in range(RUNS):
        if work.row.training:
            net.step(tensors, labels)
        else:
            net.infer(tensors)
    return {"used": status("VmHWM") - idle}


def child(program: str, name: str, threads: int, weights: Path) -> dict[str, int]:
    words = [sys.executable, __file__, "--child", program, name, "--threads", str(threads), "--weights", str(weights)]
    told = subprocess.run(words, capture_output=True, text=True, check=True)
    found: dict[str, int] = json.loads(told.stdout)
    return found


def measured(name: str, threads: int, weights: Path) -> dict[str, object]:
    """A row's numbers, printed as a line."""
    from rows import ROWS

    x = child("cnndsl", name, threads, weights)
    row: dict[str, object] = {"row": name, **x, "within": x["used"] <= x["bound"]}
    text = f"{ROWS[name]!s:<40} peak − idle {_mb(x['used'])}   bound {_mb(x['bound'])}"
    if importlib.util.find_spec("torch") is not None:
        others = {layout: child(layout, name, threads, weights)["used"] for layout in LAYOUTS}
        less = min(others.values())
        row |= {**others, "met": x["used"] <= min(x["bound"], less)}
        text += f"   PyTorch {_mb(less)}, ours is {x['used'] / less:.2f} of it"
    print(text, flush=True)
    return row


def main() -> None:
    from rows import ROWS, Work

    from cnndsl.runtime.safetensors import write_weights

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("rows", nargs="*", default=list(ROWS), help=", ".join(ROWS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--weights", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="write what was measured into this file")
    given = parser.parse_args()
    if given.child:
        (name,) = given.rows
        is_ours, rest = given.child == "cnndsl", (given.weights,)
        found = ours(name, given.threads, *rest) if is_ours else theirs(name, given.threads, given.child, *rest)
        print(json.dumps(found))
        return
    from machine import describe

    machine = describe()
    print(machine, flush=True)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in given.rows:
            weights = Path(folder) / "weights.safetensors"
            write_weights(weights, Work(ROWS[name], given.threads).weights)
            rows.append(measured(name, given.threads, weights))
    if given.json:
        given.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")


def _mb(count: int) -> str:
    return f"{count / 2**20:7.1f} MB"


if __name__ == "__main__":
    main()
